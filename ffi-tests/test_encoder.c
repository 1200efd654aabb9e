/* The encoder, and the decoder on its payloads, whole and damaged. */
#include "check.h"
#include "coded.h"

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum { INVALID = SIDELIGHT_ERROR_INVALID_ARGUMENT, HEADER = 8 };

/* At this price an update of about 100 bytes costs 0.01 dB: it pays even after a few steps. */
static const double CHEAP = 1e-4;

static uint32_t picture_width(void)
{
    return check_quick() ? 32 : 64;
}

static uint32_t picture_height(void)
{
    return check_quick() ? 26 : 48;
}

/* An update pays after them; after MANY_STEPS it has coefficients. */
static uint32_t few_steps(void)
{
    return check_quick() ? 2 : 4;
}

enum { MANY_STEPS = 20 };

/* Settings of a model that is not slower than need be. */
static SidelightEncoderSettings plain_settings(void)
{
    SidelightEncoderSettings settings = {0};
    settings.model_size = check_quick() ? SIDELIGHT_MODEL_SIZE_SMALL : SIDELIGHT_MODEL_SIZE_MEDIUM;
    return settings;
}

static SidelightEncoder *open_encoder(uint32_t mode, uint32_t threads, uint32_t steps)
{
    SidelightEncoderSettings settings = plain_settings();
    settings.no_update = mode != SIDELIGHT_MODE_UPDATE;
    settings.threads = threads;
    settings.steps = steps;
    SidelightEncoder *encoder = NULL;
    REQUIRE(sidelight_encoder_open(&settings, &encoder) == 0);
    return encoder;
}

static SidelightDecoder *open_decoder(bool skip_binding)
{
    SidelightDecoderSettings settings = {0};
    settings.threads = 2;
    settings.skip_binding = skip_binding;
    SidelightDecoder *decoder = NULL;
    REQUIRE(sidelight_decoder_open(&settings, &decoder) == 0);
    return decoder;
}

/* A coded picture for which updates are cheap. */
static struct coded cheap_picture(uint32_t seed)
{
    struct coded c = coded_new(SIDELIGHT_LAYOUT_I420, picture_width(), picture_height(), seed, 15);
    c.params.slope_db_per_byte = CHEAP;
    return c;
}

/* A frame for the decoder's output. */
static struct frame frame_new_like(const struct coded *c)
{
    const SidelightPicture *p = &c->decoded.picture;
    return frame_new(p->layout, p->width, p->height, 0, 0);
}

/* `mode` is the most that may be sent. */
static SidelightBuffer encode_in(uint32_t steps, const struct coded *c, uint32_t mode,
                                 uint32_t threads, SidelightReport *report)
{
    SidelightEncoder *encoder = open_encoder(mode, threads, steps);
    SidelightBuffer payload = {0};
    SidelightCodecParams params = c->params;
    if (mode == SIDELIGHT_MODE_OFF) params.slope_db_per_byte = 1e9; /* nothing pays */
    CHECK_INT(sidelight_encoder_encode(encoder, &c->original.picture, &c->decoded.picture, 1,
                                       &params, &payload, report),
              0);
    REQUIRE(payload.data && payload.size >= HEADER);
    sidelight_encoder_close(&encoder);
    CHECK(encoder == NULL);
    return payload;
}

static SidelightBuffer encode(const struct coded *c, uint32_t mode, uint32_t threads,
                              SidelightReport *report)
{
    return encode_in(few_steps(), c, mode, threads, report);
}

static bool same(const SidelightBuffer *a, const SidelightBuffer *b)
{
    return a->size == b->size && !memcmp(a->data, b->data, a->size);
}

static bool near(double a, double b)
{
    return a == b || fabs(a - b) <= 1e-9;
}

/* Whether the report's PSNRs of what the payload asks for are those of `out`. */
static bool measured(const SidelightReport *report, const struct coded *c, const struct frame *out)
{
    bool all = near(report->psnr_payload, frame_psnr(&c->original, out, 0));
    for (int p = 1; p < 3; p++) {
        const double psnr = layout_planes(c->original.picture.layout) == 3
                                ? frame_psnr(&c->original, out, p)
                                : 0;
        all = all && near(report->psnr_chroma_payload[p - 1], psnr);
    }
    return all;
}

/* PSNR-YUV 6:1:1. */
static double weighted(double luma, const double chroma[2])
{
    return (6 * luma + chroma[0] + chroma[1]) / 8;
}

static void opening(void)
{
    SidelightEncoderSettings settings;
    const SidelightEncoderSettings good = {0};
    SidelightEncoder *const pattern = (SidelightEncoder *)(uintptr_t)0x5A5A;
    SidelightEncoder *encoder = pattern;
    CHECK_INT(sidelight_encoder_open(NULL, NULL), INVALID);
    CHECK_INT(sidelight_encoder_open(&good, NULL), INVALID);
#define REFUSED(field, value)                                                                      \
    do {                                                                                           \
        settings = good;                                                                           \
        settings.field = (value);                                                                  \
        CHECK_INT(sidelight_encoder_open(&settings, &encoder), INVALID);                           \
    } while (0)
    REFUSED(threads, 257);
    REFUSED(threads, UINT32_MAX);
    REFUSED(steps, 100001);
    REFUSED(steps, UINT32_MAX);
    REFUSED(effort, 10);
    REFUSED(effort, UINT32_MAX);
    REFUSED(effort, 256 + 5);
    REFUSED(objective, 2);
    REFUSED(objective, UINT32_MAX);
    REFUSED(reserved[0], 1);
    REFUSED(reserved[sizeof settings.reserved / sizeof *settings.reserved - 1], UINT32_C(1) << 31);
    REFUSED(model_size, 4);
    REFUSED(model_size, UINT32_MAX);
    CHECK(encoder == pattern);

    settings = good;
    settings.no_update = 7; /* any nonzero */
    settings.threads = 256;
    settings.steps = 100000;
    settings.effort = 9;
    settings.budget_ms = UINT32_MAX;
    settings.model_size = SIDELIGHT_MODEL_SIZE_SMALL;
    settings.objective = SIDELIGHT_OBJECTIVE_PUBLISHED;
    CHECK_INT(sidelight_encoder_open(&settings, &encoder), 0);
    sidelight_encoder_close(&encoder);
    CHECK(encoder == NULL);
    sidelight_encoder_close(&encoder);
    CHECK(encoder == NULL);
    sidelight_encoder_close(NULL);
    CHECK_INT(sidelight_encoder_open(NULL, &encoder), 0);
    sidelight_encoder_close(&encoder);
}

/* What the encoder reports is what the decoder makes. */
static void reports(void)
{
    const uint32_t steps = check_quick() ? few_steps() : MANY_STEPS;
    struct coded c = cheap_picture(1);
    struct frame out = frame_new_like(&c);
    SidelightDecoder *decoder = open_decoder(false);

    SidelightBuffer base_payload = encode(&c, SIDELIGHT_MODE_BASE, 1, NULL);
    CHECK_INT(sidelight_decoder_set_payload(decoder, base_payload.data, base_payload.size, &c.params),
              SIDELIGHT_MODE_BASE);
    sidelight_buffer_unref(&base_payload);
    CHECK_INT(sidelight_decoder_filter(decoder, &c.decoded.picture, &out.picture), 0);
    double base[3];
    for (int p = 0; p < 3; p++) base[p] = frame_psnr(&c.original, &out, p);
    const double decoded[] = {frame_psnr(&c.original, &c.decoded, 1),
                              frame_psnr(&c.original, &c.decoded, 2)};
    double last_gain = weighted(frame_psnr(&c.original, &c.decoded, 0), decoded);
    for (uint32_t mode = SIDELIGHT_MODE_BASE; mode <= SIDELIGHT_MODE_UPDATE; mode++) {
        SidelightReport report;
        memset(&report, 0x5A, sizeof report);
        SidelightBuffer payload = encode_in(steps, &c, mode, 1, &report);
        CHECK(report.mode <= mode);
        CHECK_INT(report.mode, payload.data[0] & 15);
        CHECK_INT(report.payload_bytes, payload.size);
        CHECK_INT(report.steps, mode == SIDELIGHT_MODE_UPDATE ? steps : 0);
        CHECK(report.slope_db_per_byte == CHEAP);
        CHECK(near(report.psnr_decoded, frame_psnr(&c.original, &c.decoded, 0)));
        CHECK(near(report.psnr_base, base[0]));
        for (int p = 1; p < 3; p++) {
            CHECK(near(report.psnr_chroma_decoded[p - 1], decoded[p - 1]));
            CHECK(near(report.psnr_chroma_base[p - 1], base[p]));
        }
        for (size_t i = 0; i < 3; i++) CHECK_INT(report.reserved[i], 0);

        frame_clear(&out);
        CHECK_INT(sidelight_decoder_set_payload(decoder, payload.data, payload.size, &c.params),
                  report.mode);
        CHECK_INT(sidelight_decoder_filter(decoder, &c.decoded.picture, &out.picture), 0);
        CHECK(measured(&report, &c, &out));
        if (report.mode == SIDELIGHT_MODE_OFF) CHECK(frame_equal(&c.decoded, &out, 0));

        /* A higher bound is never worse. */
        const double quality = weighted(report.psnr_payload, report.psnr_chroma_payload);
        const double gain = quality - CHEAP * (double)payload.size;
        CHECK(gain >= last_gain - 1e-9);
        last_gain = gain;
        if (mode == SIDELIGHT_MODE_UPDATE) {
            CHECK_INT(report.mode, SIDELIGHT_MODE_UPDATE);
            CHECK(payload.size > HEADER);
            CHECK(quality > weighted(report.psnr_base, report.psnr_chroma_base));
        }
        sidelight_buffer_unref(&payload);
    }
    sidelight_decoder_close(&decoder);
    frame_free(&out);
    coded_free(&c);
}

/* The published objective: decoders know its payloads, and what is reported is what they make. */
static void published(void)
{
    struct coded c = cheap_picture(14);
    c.params.slope_db_per_byte = 1e-9;
    struct frame out = frame_new_like(&c);
    SidelightDecoder *decoder = open_decoder(false);
    SidelightBuffer usual = encode(&c, SIDELIGHT_MODE_UPDATE, 1, NULL);
    SidelightBuffer payloads[2] = {{0}};
    for (uint32_t threads = 1; threads <= 2; threads++) {
        SidelightEncoderSettings settings = {0};
        settings.objective = SIDELIGHT_OBJECTIVE_PUBLISHED;
        settings.threads = threads;
        settings.steps = few_steps();
        SidelightEncoder *encoder = NULL;
        REQUIRE(sidelight_encoder_open(&settings, &encoder) == 0);
        SidelightReport report;
        SidelightBuffer *payload = &payloads[threads - 1];
        CHECK_INT(sidelight_encoder_encode(encoder, &c.original.picture, &c.decoded.picture, 1,
                                           &c.params, payload, &report),
                  0);
        sidelight_encoder_close(&encoder);
        REQUIRE(payload->data);
        CHECK_INT(report.mode, SIDELIGHT_MODE_UPDATE);
        CHECK_INT(report.steps, few_steps());

        SidelightPayloadInfo info;
        CHECK_INT(sidelight_payload_probe(payload->data, payload->size, &info), 0);
        CHECK_INT(info.known, 1);
        CHECK_INT(info.model_size, SIDELIGHT_MODEL_SIZE_MEDIUM);
        frame_clear(&out);
        CHECK_INT(sidelight_decoder_set_payload(decoder, payload->data, payload->size, &c.params),
                  SIDELIGHT_MODE_UPDATE);
        CHECK_INT(sidelight_decoder_filter(decoder, &c.decoded.picture, &out.picture), 0);
        CHECK(measured(&report, &c, &out));
        CHECK(weighted(report.psnr_payload, report.psnr_chroma_payload) >
              weighted(report.psnr_base, report.psnr_chroma_base));
    }
    CHECK(same(&payloads[0], &payloads[1]));
    CHECK(!same(&payloads[0], &usual));
    sidelight_buffer_unref(&payloads[0]);
    sidelight_buffer_unref(&payloads[1]);
    sidelight_buffer_unref(&usual);
    sidelight_decoder_close(&decoder);
    frame_free(&out);
    coded_free(&c);
}

/* The payload depends neither on threads nor on the CPU; that of a gray picture not on chroma. */
static void determinism(void)
{
    struct coded c = cheap_picture(2);
    SidelightBuffer first = encode(&c, SIDELIGHT_MODE_UPDATE, 1, NULL);
    static const uint32_t threads[] = {1, 2, 5, 3, 4};
    static const uint32_t levels[] = {SIDELIGHT_CPU_LEVEL_SCALAR, SIDELIGHT_CPU_LEVEL_SSE41,
                                      SIDELIGHT_CPU_LEVEL_AVX2, SIDELIGHT_CPU_LEVEL_AVXVNNI,
                                      SIDELIGHT_CPU_LEVEL_NEON, SIDELIGHT_CPU_LEVEL_BEST};
    for (int i = 0; i < 5; i++) {
        SidelightBuffer other;
        if (!check_quick()) {
            other = encode(&c, SIDELIGHT_MODE_UPDATE, threads[i], NULL);
            CHECK(same(&first, &other));
            sidelight_buffer_unref(&other);
        }
        CHECK_INT(sidelight_set_cpu_level(levels[i]), 0);
        other = encode(&c, SIDELIGHT_MODE_UPDATE, check_quick() ? threads[i] : 2, NULL);
        CHECK(same(&first, &other));
        sidelight_buffer_unref(&other);
    }

    struct coded gray = c;
    gray.original.picture.layout = gray.decoded.picture.layout = SIDELIGHT_LAYOUT_I400;
    SidelightBuffer other = encode(&gray, SIDELIGHT_MODE_UPDATE, 1, NULL);
    memset(gray.original.picture.data + 1, 0, 2 * sizeof(void *));
    memset(gray.decoded.picture.data + 1, 0, 2 * sizeof(void *));
    memset(gray.params.quant[1], 7, sizeof gray.params.quant[1]);
    SidelightBuffer alone = encode(&gray, SIDELIGHT_MODE_UPDATE, 1, NULL);
    CHECK(same(&alone, &other));
    sidelight_buffer_unref(&alone);
    sidelight_buffer_unref(&other);

    /* An encoder keeps nothing of the picture before. */
    struct coded c2 = cheap_picture(3);
    SidelightEncoder *encoder = open_encoder(SIDELIGHT_MODE_UPDATE, 2, few_steps());
    for (int i = 0; i < 3; i++) {
        const struct coded *p = i == 1 ? &c2 : &c;
        CHECK_INT(sidelight_encoder_encode(encoder, &p->original.picture, &p->decoded.picture, 1,
                                           &p->params, &other, NULL),
                  0);
        CHECK(same(&first, &other) == (i != 1));
        sidelight_buffer_unref(&other);
    }
    sidelight_encoder_close(&encoder);
    sidelight_buffer_unref(&first);
    coded_free(&c);
    coded_free(&c2);
}

static bool passes_through(SidelightDecoder *decoder, const struct frame *in, struct frame *out)
{
    frame_clear(out);
    return sidelight_decoder_filter(decoder, &in->picture, &out->picture) == 0 &&
           frame_equal(in, out, 0);
}

/* What sidelight_payload_probe() should say of bytes of which a decoder for JPEG said `set`. */
static void check_probe(const uint8_t *payload, size_t size, int set)
{
    SidelightPayloadInfo info;
    memset(&info, 0x5A, sizeof info);
    const int rc = sidelight_payload_probe(payload, size, &info);
    if (rc != 0) {
        CHECK_INT(rc, set);
        for (size_t i = 0; i < sizeof info; i++) CHECK_INT(((uint8_t *)&info)[i], 0x5A);
        return;
    }
    if (set == SIDELIGHT_ERROR_CORRUPT) { /* the updated weights do not fit */
        CHECK_INT(info.mode, SIDELIGHT_MODE_UPDATE);
        CHECK(info.known);
        return;
    }
    CHECK(set >= 0 || set == SIDELIGHT_ERROR_UNKNOWN_MODEL);
    CHECK_INT(info.mode, payload[0]);
    CHECK_INT(info.known, set != SIDELIGHT_ERROR_UNKNOWN_MODEL);
    const bool filters = info.mode != SIDELIGHT_MODE_OFF, read = filters && info.known;
    const uint32_t model = payload[1] | (uint32_t)payload[2] << 8 | (uint32_t)payload[3] << 16 |
                           (uint32_t)payload[4] << 24;
    CHECK_INT(info.model, filters ? model : 0);
    CHECK_INT(info.codec, read ? SIDELIGHT_CODEC_JPEG : 0);
    CHECK_INT(info.model_size, read ? plain_settings().model_size : 0);
    CHECK_INT(info.update_bytes, read ? size - HEADER : 0);
    CHECK(info.qp[0] == 0 && info.qp[1] == 0 && info.qp[2] == 0);
    for (size_t i = 0; i < sizeof info.reserved; i++) CHECK_INT(info.reserved[i], 0);
}

/* Sets `size` bytes that end where their memory ends; the result. */
static int set_exact(SidelightDecoder *decoder, const uint8_t *payload, size_t size,
                     const SidelightCodecParams *params)
{
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) abort();
    memcpy(exact, payload, size);
    const int rc = sidelight_decoder_set_payload(decoder, exact, size, params);
    if (rc != SIDELIGHT_ERROR_STALE) check_probe(exact, size, rc);
    free(exact);
    return rc;
}

/* CRC-8 lets one in 256 of larger damages pass; then the binding catches them. */
enum { CORRUPT_OR_STALE = 0 };

/* After a good payload, `size` bytes are refused with `want`, and pictures pass through. */
static void check_refused(SidelightDecoder *decoder, const struct coded *c,
                          const SidelightBuffer *good, const uint8_t *bad, size_t size, int want,
                          struct frame *out, int line)
{
    CHECK_INT(sidelight_decoder_set_payload(decoder, good->data, good->size, &c->params),
              SIDELIGHT_MODE_UPDATE);
    const int rc = set_exact(decoder, bad, size, &c->params);
    const bool as_wanted = want == CORRUPT_OR_STALE
                               ? rc == SIDELIGHT_ERROR_CORRUPT || rc == SIDELIGHT_ERROR_STALE
                               : rc == want;
    check_that(as_wanted, __FILE__, line, "%zu bytes: %d, not %d", size, rc, want);
    check_that(passes_through(decoder, &c->decoded, out), __FILE__, line, "filters after %d", rc);
}

/* The payload after so many steps, cut off after each `stride` bytes and with each `stride`th bit flipped. */
static void damaged_payloads(uint32_t steps, size_t stride)
{
    struct coded c = cheap_picture(4);
    struct frame out = frame_new_like(&c);
    SidelightReport report;
    SidelightBuffer good = encode_in(steps, &c, SIDELIGHT_MODE_UPDATE, 2, &report);
    REQUIRE(report.mode == SIDELIGHT_MODE_UPDATE);
    CHECK((good.size > 1000) == (steps == MANY_STEPS)); /* with coefficients */
    uint8_t *bad = malloc(SIDELIGHT_MAX_PAYLOAD + 1);
    if (!bad) abort();
    memset(bad, 0, SIDELIGHT_MAX_PAYLOAD + 1);
    memcpy(bad, good.data, good.size);
    SidelightDecoder *decoder = open_decoder(false);

#define FAILS(bytes, want) check_refused(decoder, &c, &good, bad, (bytes), (want), &out, __LINE__)

    for (size_t size = 0; size < good.size; size += size < HEADER ? 1 : stride) {
        FAILS(size, size < HEADER ? (int)SIDELIGHT_ERROR_CORRUPT : CORRUPT_OR_STALE);
    }
    FAILS(good.size + 1, CORRUPT_OR_STALE);
    FAILS(SIDELIGHT_MAX_PAYLOAD + 1, SIDELIGHT_ERROR_TOO_LARGE);

    for (size_t bit = 0; bit < 8 * good.size; bit += stride) {
        bad[bit / 8] ^= 1 << bit % 8;
        FAILS(good.size, bit < 8 && bit >= 4 ? SIDELIGHT_ERROR_UNSUPPORTED
                                             : SIDELIGHT_ERROR_CORRUPT);
        bad[bit / 8] ^= 1 << bit % 8;
    }

    /* Well-formed, but not for this decoder. */
    payload_repair(bad, good.size, c.params.binding);
    CHECK(!memcmp(bad, good.data, good.size));
    bad[1] ^= 0xFF;
    payload_repair(bad, good.size, c.params.binding);
    FAILS(good.size, SIDELIGHT_ERROR_UNKNOWN_MODEL);
    bad[1] ^= 0xFF;
    for (uint8_t version = 1; version < 16; version++) {
        bad[0] = (uint8_t)(version << 4 | SIDELIGHT_MODE_UPDATE);
        payload_repair(bad, good.size, c.params.binding);
        FAILS(good.size, SIDELIGHT_ERROR_UNSUPPORTED);
    }
    for (uint8_t mode = 3; mode < 16; mode++) {
        bad[0] = mode;
        payload_repair(bad, good.size, c.params.binding);
        FAILS(good.size, SIDELIGHT_ERROR_UNSUPPORTED);
    }
    for (uint8_t mode = 0; mode < 2; mode++) {
        bad[0] = mode;
        payload_repair(bad, good.size, c.params.binding);
        FAILS(good.size, SIDELIGHT_ERROR_CORRUPT); /* they have no body */
    }
    bad[0] = SIDELIGHT_MODE_UPDATE;
    payload_repair(bad, good.size + 1, c.params.binding);
    FAILS(good.size + 1, SIDELIGHT_ERROR_CORRUPT); /* a byte after the end of the body */
    payload_repair(bad, SIDELIGHT_MAX_PAYLOAD, c.params.binding);
    FAILS(SIDELIGHT_MAX_PAYLOAD, SIDELIGHT_ERROR_CORRUPT);

    /* Bodies of any bytes: refused or filtered with, never worse. */
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < (stride > 1 ? 100 : 3000); i++) {
        const size_t size = HEADER + random_next(&random) % 120;
        for (size_t j = HEADER; j < size; j++) bad[j] = (uint8_t)random_next(&random);
        if (i % 3 == 0) { /* near a good one */
            memcpy(bad, good.data, good.size < size ? good.size : size);
            bad[HEADER + random_next(&random) % (size - HEADER + 1)] ^= (uint8_t)(1 + i % 255);
            bad[0] = SIDELIGHT_MODE_UPDATE;
        }
        payload_repair(bad, size, c.params.binding);
        const int rc = set_exact(decoder, bad, size, &c.params);
        CHECK(rc == SIDELIGHT_MODE_UPDATE || rc == SIDELIGHT_ERROR_CORRUPT);
        frame_clear(&out);
        CHECK_INT(sidelight_decoder_filter(decoder, &c.decoded.picture, &out.picture), 0);
        if (rc < 0) CHECK(frame_equal(&c.decoded, &out, 0));
    }

    sidelight_decoder_close(&decoder);
    sidelight_buffer_unref(&good);
    frame_free(&out);
    free(bad);
    coded_free(&c);
}

static void documented_examples(void)
{
    SidelightCodecParams params = plain_params();
    params.binding = 0x0123456789ABCDEF;
    SidelightDecoder *decoder = open_decoder(false);
    uint8_t off[] = {0, 0, 0, 0, 0, 0x11, 0xE0, 0x52};
    CHECK_INT(set_exact(decoder, off, sizeof off, &params), SIDELIGHT_MODE_OFF);
    off[1] = 0xAB; /* the model field means nothing in this mode */
    payload_repair(off, sizeof off, params.binding);
    CHECK_INT(set_exact(decoder, off, sizeof off, &params), SIDELIGHT_MODE_OFF);
    static const uint8_t update[] = {0x02, 0x65, 0x11, 0xDE, 0x51, 0x30, 0x95,
                                     0x05, 0x31, 0xBA, 0x4C, 0x85, 0x05};
    CHECK_INT(set_exact(decoder, update, sizeof update, &params), SIDELIGHT_ERROR_UNKNOWN_MODEL);
    params.binding++; /* the binding is looked at before the model */
    CHECK_INT(sidelight_decoder_set_payload(decoder, update, sizeof update, &params),
              SIDELIGHT_ERROR_STALE);
    sidelight_decoder_close(&decoder);
}

static void off_payload(void)
{
    struct coded c = cheap_picture(5);
    SidelightBuffer off = encode(&c, SIDELIGHT_MODE_OFF, 1, NULL);
    CHECK_INT(off.size, HEADER);
    for (int i = 0; i < 5; i++) CHECK_INT(off.data[i], 0); /* encoders write no model either */
    SidelightPayloadInfo info;
    CHECK_INT(sidelight_payload_probe(NULL, off.size, &info), INVALID);
    CHECK_INT(sidelight_payload_probe(off.data, off.size, NULL), INVALID);
    CHECK_INT(sidelight_payload_probe(off.data, SIZE_MAX, &info), INVALID);
    CHECK_INT(sidelight_payload_probe(NULL, 0, &info), SIDELIGHT_ERROR_CORRUPT);
    sidelight_buffer_unref(&off);
    coded_free(&c);
}

static void stale_payloads(void)
{
    struct coded a = cheap_picture(6), b = cheap_picture(7);
    struct frame out = frame_new_like(&a);
    SidelightDecoder *strict = open_decoder(false), *lax = open_decoder(true);
    CHECK(a.params.binding != b.params.binding);
    for (uint32_t mode = 0; mode <= SIDELIGHT_MODE_UPDATE; mode++) {
        SidelightReport report;
        SidelightBuffer of_a = encode(&a, mode, 1, &report);
        CHECK_INT(sidelight_decoder_set_mode(strict, SIDELIGHT_MODE_BASE, &b.params), 0);
        CHECK_INT(sidelight_decoder_set_payload(strict, of_a.data, of_a.size, &b.params),
                  SIDELIGHT_ERROR_STALE);
        CHECK(passes_through(strict, &b.decoded, &out));
        CHECK_INT(sidelight_decoder_set_payload(lax, of_a.data, of_a.size, &b.params),
                  report.mode);
        CHECK_INT(sidelight_decoder_set_payload(strict, of_a.data, of_a.size, &a.params),
                  report.mode);
        sidelight_buffer_unref(&of_a);
    }
    sidelight_decoder_close(&strict);
    sidelight_decoder_close(&lax);
    frame_free(&out);
    coded_free(&a);
    coded_free(&b);
}

/* From one JPEG file to another that carries the payload, and on to the better picture. */
static void through_the_file(void)
{
    struct coded c = cheap_picture(8);
    struct frame out = frame_new_like(&c);
    SidelightReport report;
    SidelightBuffer payload = encode(&c, SIDELIGHT_MODE_UPDATE, 2, &report);
    SidelightBuffer file = {0}, found = {0};
    SidelightCodecParams params;
    CHECK_INT(sidelight_jpeg_rewrite(c.jpeg, c.jpeg_size, payload.data, payload.size, &file), 0);
    CHECK_INT(sidelight_jpeg_read(file.data, file.size, NULL, &found), 1);
    CHECK(same(&payload, &found));
    CHECK_INT(sidelight_jpeg_read(file.data, file.size, &params, NULL), 0);
    SidelightDecoder *decoder = open_decoder(false);
    CHECK_INT(sidelight_decoder_set_payload(decoder, found.data, found.size, &params), report.mode);
    CHECK_INT(sidelight_decoder_filter(decoder, &c.decoded.picture, &out.picture), 0);
    CHECK(measured(&report, &c, &out));
    sidelight_decoder_close(&decoder);
    sidelight_buffer_unref(&payload);
    sidelight_buffer_unref(&file);
    sidelight_buffer_unref(&found);
    frame_free(&out);
    coded_free(&c);
}

struct watch {
    pthread_t caller;
    int calls, cancel_at; /* cancels in this call, counted from 1; 0: never */
    int calls_after;      /* after it asked to stop */
    double last;
    bool in_order, in_range, on_caller;
};

static int watch_progress(void *user, double fraction)
{
    struct watch *w = user;
    if (w->cancel_at && w->calls >= w->cancel_at) w->calls_after++;
    w->calls++;
    w->in_order = w->in_order && fraction >= w->last;
    w->in_range = w->in_range && fraction >= 0 && fraction <= 1;
    w->on_caller = w->on_caller && pthread_equal(w->caller, pthread_self());
    w->last = fraction;
    return w->cancel_at && w->calls >= w->cancel_at;
}

/* Calls back into the library, with other handles. */
struct caller {
    const struct coded *c;
    SidelightDecoder *decoder;
    SidelightEncoder *encoder;
    int calls;
};

static int call_back(void *user, double fraction)
{
    struct caller *k = user;
    (void)fraction;
    if (k->calls++ >= 3 && check_quick()) return 0;
    struct frame out = frame_new_like(k->c);
    SidelightBuffer payload = {0};
    CHECK(sidelight_strerror(0) != NULL && sidelight_version() == SIDELIGHT_VERSION);
    CHECK_INT(sidelight_decoder_set_mode(k->decoder, SIDELIGHT_MODE_BASE, &k->c->params), 0);
    CHECK_INT(sidelight_decoder_filter(k->decoder, &k->c->decoded.picture, &out.picture), 0);
    CHECK_INT(sidelight_encoder_encode(k->encoder, &k->c->original.picture, &k->c->decoded.picture, 1,
                                       &k->c->params, &payload, NULL),
              0);
    sidelight_buffer_unref(&payload);
    frame_free(&out);
    return 0;
}

static void callbacks_call_back(void)
{
    struct coded c = cheap_picture(10);
    struct caller k = {&c, open_decoder(true), open_encoder(SIDELIGHT_MODE_UPDATE, 2, 1), 0};
    SidelightEncoderSettings settings = plain_settings();
    settings.threads = 2;
    settings.steps = few_steps();
    SidelightBuffer plain = encode(&c, SIDELIGHT_MODE_UPDATE, 2, NULL), payload = {0};
    settings.progress = call_back;
    settings.progress_user = &k;
    SidelightEncoder *encoder = NULL;
    REQUIRE(sidelight_encoder_open(&settings, &encoder) == 0);
    CHECK_INT(sidelight_encoder_encode(encoder, &c.original.picture, &c.decoded.picture, 1, &c.params,
                                       &payload, NULL),
              0);
    CHECK(k.calls >= (int)few_steps());
    CHECK(same(&plain, &payload));
    sidelight_buffer_unref(&plain);
    sidelight_buffer_unref(&payload);
    sidelight_encoder_close(&encoder);
    sidelight_encoder_close(&k.encoder);
    sidelight_decoder_close(&k.decoder);
    coded_free(&c);
}

static void progress(void)
{
    struct coded c = cheap_picture(9);
    const int steps = 4;
    for (int cancel_at = 0; cancel_at < 4; cancel_at++) {
        struct watch w = {.caller = pthread_self(), .cancel_at = cancel_at, .in_order = true,
                          .in_range = true, .on_caller = true};
        SidelightEncoderSettings settings = plain_settings();
        settings.threads = 2;
        settings.steps = (uint32_t)steps;
        settings.progress = watch_progress;
        settings.progress_user = &w;
        SidelightEncoder *encoder = NULL;
        REQUIRE(sidelight_encoder_open(&settings, &encoder) == 0);
        SidelightBuffer payload = {0};
        SidelightReport report;
        CHECK_INT(sidelight_encoder_encode(encoder, &c.original.picture, &c.decoded.picture, 1,
                                           &c.params, &payload, &report),
                  0);
        CHECK(payload.size >= HEADER);
        CHECK(w.in_order && w.in_range && w.on_caller);
        CHECK_INT(w.calls_after, 0);
        if (cancel_at) {
            CHECK(report.steps < (uint32_t)cancel_at);
        } else {
            CHECK(w.calls >= steps);
            CHECK(w.last == 1);
            CHECK_INT(report.steps, steps);
        }
        /* At least as good as the base model. */
        CHECK(weighted(report.psnr_payload, report.psnr_chroma_payload) -
                  CHEAP * (double)payload.size >=
              weighted(report.psnr_base, report.psnr_chroma_base) - CHEAP * HEADER - 1e-9);
        sidelight_buffer_unref(&payload);
        sidelight_encoder_close(&encoder);
    }
    coded_free(&c);
}

static void tiny_pictures(void)
{
    static const uint32_t sizes[][2] = {{1, 1}, {2, 1}, {1, 9}, {17, 9}, {33, 50}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct coded c =
            coded_new((uint32_t)(i % 4), sizes[i][0], sizes[i][1], (uint32_t)i, 10);
        c.params.slope_db_per_byte = 1e-6;
        struct frame out = frame_new_like(&c);
        SidelightReport report;
        SidelightBuffer payload = encode(&c, SIDELIGHT_MODE_UPDATE, 5, &report);
        SidelightDecoder *decoder = open_decoder(false);
        CHECK_INT(sidelight_decoder_set_payload(decoder, payload.data, payload.size, &c.params),
                  report.mode);
        CHECK_INT(sidelight_decoder_filter(decoder, &c.decoded.picture, &out.picture), 0);
        CHECK(measured(&report, &c, &out));
        sidelight_decoder_close(&decoder);
        sidelight_buffer_unref(&payload);
        frame_free(&out);
        coded_free(&c);
    }
}

static void nothing_to_gain(void)
{
    struct coded c = cheap_picture(10);
    frame_copy(&c.decoded, &c.original);
    SidelightReport report;
    SidelightBuffer payload = encode(&c, SIDELIGHT_MODE_UPDATE, 2, &report);
    CHECK_INT(report.mode, SIDELIGHT_MODE_OFF);
    CHECK_INT(payload.size, HEADER);
    CHECK(isinf(report.psnr_decoded) && report.psnr_decoded > 0);
    CHECK(isinf(report.psnr_payload) && report.psnr_payload > 0);
    sidelight_buffer_unref(&payload);

    /* One picture may be both arguments. */
    SidelightEncoder *encoder = open_encoder(SIDELIGHT_MODE_BASE, 1, 1);
    CHECK_INT(sidelight_encoder_encode(encoder, &c.original.picture, &c.original.picture, 1,
                                       &c.params, &payload, NULL),
              0);
    sidelight_buffer_unref(&payload);
    sidelight_encoder_close(&encoder);
    coded_free(&c);
}

static void slopes(void)
{
    struct coded c = cheap_picture(11);
    SidelightEncoder *encoder = open_encoder(SIDELIGHT_MODE_UPDATE, 2, 2);
    SidelightBuffer payload;
    memset(&payload, 0x5A, sizeof payload);
    const SidelightBuffer untouched = payload;
    SidelightReport report, kept;
    memset(&report, 0x5A, sizeof report);
    memcpy(&kept, &report, sizeof report);

    const double bad[] = {NAN, -NAN, -1, -1e-300, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        c.params.slope_db_per_byte = bad[i];
        CHECK_INT(sidelight_encoder_encode(encoder, &c.original.picture, &c.decoded.picture, 1,
                                           &c.params, &payload, &report),
                  INVALID);
        CHECK(!memcmp(&payload, &untouched, sizeof payload));
        CHECK(!memcmp(&report, &kept, sizeof report));
    }

    const double good[] = {1e-300, 5e-324, 1e-9, 1, 1e300, 1.7e308};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        c.params.slope_db_per_byte = good[i];
        CHECK_INT(sidelight_encoder_encode(encoder, &c.original.picture, &c.decoded.picture, 1,
                                           &c.params, &payload, &report),
                  0);
        CHECK(report.slope_db_per_byte == good[i]);
        if (good[i] >= 1) CHECK(report.mode == SIDELIGHT_MODE_OFF);
        sidelight_buffer_unref(&payload);
    }

    /* What carries a payload is charged too. */
    c.params.slope_db_per_byte = 1e-6;
    c.params.carriage_bytes = UINT32_MAX;
    CHECK_INT(sidelight_encoder_encode(encoder, &c.original.picture, &c.decoded.picture, 1, &c.params,
                                       &payload, &report),
              0);
    CHECK(report.mode == SIDELIGHT_MODE_OFF);
    sidelight_buffer_unref(&payload);
    c.params.carriage_bytes = 0;

    /* Estimated from the file's size, or from the picture's. */
    const uint64_t bytes[] = {0, 1, 1000, UINT64_MAX};
    c.params.slope_db_per_byte = 0;
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        c.params.coded_bytes = bytes[i];
        CHECK_INT(sidelight_encoder_encode(encoder, &c.original.picture, &c.decoded.picture, 1,
                                           &c.params, &payload, &report),
                  0);
        CHECK(report.slope_db_per_byte > 0 && isfinite(report.slope_db_per_byte));
        sidelight_buffer_unref(&payload);
    }
    sidelight_encoder_close(&encoder);
    coded_free(&c);
}

static void arguments(void)
{
    struct coded c = cheap_picture(12);
    SidelightEncoder *encoder = open_encoder(SIDELIGHT_MODE_UPDATE, 1, 1);
    SidelightBuffer payload;
    memset(&payload, 0x5A, sizeof payload);
    const SidelightBuffer untouched = payload;
    SidelightReport report, kept;
    memset(&report, 0x5A, sizeof report);
    memcpy(&kept, &report, sizeof report);
    const SidelightPicture o = c.original.picture, d = c.decoded.picture;

#define ENCODE(e, o, d, h, p) sidelight_encoder_encode((e), (o), (d), 1, (h), (p), &report)
    CHECK_INT(ENCODE(NULL, &o, &d, &c.params, &payload), INVALID);
    CHECK_INT(ENCODE(encoder, NULL, &d, &c.params, &payload), INVALID);
    CHECK_INT(ENCODE(encoder, &o, NULL, &c.params, &payload), INVALID);
    CHECK_INT(ENCODE(encoder, &o, &d, NULL, &payload), INVALID);
    CHECK_INT(ENCODE(encoder, &o, &d, &c.params, NULL), INVALID);

    /* `want` for a field of either picture, then of both. */
#define BAD_PICTURE(field, value, want_one, want_both)                                             \
    do {                                                                                           \
        SidelightPicture bad_o = o, bad_d = d;                                                     \
        bad_o.field = (value);                                                                     \
        bad_d.field = (value);                                                                     \
        CHECK_INT(ENCODE(encoder, &bad_o, &d, &c.params, &payload), want_one);                      \
        CHECK_INT(ENCODE(encoder, &o, &bad_d, &c.params, &payload), want_one);                      \
        CHECK_INT(ENCODE(encoder, &bad_o, &bad_d, &c.params, &payload), want_both);                 \
    } while (0)
    BAD_PICTURE(layout, LAYOUTS, INVALID, INVALID);
    BAD_PICTURE(bit_depth, 10, INVALID, INVALID); /* the strides are of 8 bits */
    BAD_PICTURE(bit_depth, 9, SIDELIGHT_ERROR_UNSUPPORTED, SIDELIGHT_ERROR_UNSUPPORTED);
    BAD_PICTURE(picture_type, 4, INVALID, INVALID);
    BAD_PICTURE(bit_depth, 0, INVALID, INVALID);
    BAD_PICTURE(width, 0, INVALID, INVALID);
    BAD_PICTURE(height, 0, INVALID, INVALID);
    BAD_PICTURE(height, 65536, INVALID, INVALID);
    BAD_PICTURE(stride[0], o.width - 1, INVALID, INVALID);
    BAD_PICTURE(stride[1], -d.stride[1], INVALID, INVALID);
    BAD_PICTURE(data[0], NULL, INVALID, INVALID);
    BAD_PICTURE(data[2], NULL, INVALID, INVALID);
    BAD_PICTURE(reserved[7], 1, INVALID, INVALID);

    /* Good on its own, but not beside the other. */
#define OTHER_SHAPE(field, value)                                                                  \
    do {                                                                                           \
        SidelightPicture other = d;                                                                \
        other.field = (value);                                                                     \
        CHECK_INT(ENCODE(encoder, &o, &other, &c.params, &payload), INVALID);                       \
    } while (0)
    OTHER_SHAPE(width, d.width - 1);
    OTHER_SHAPE(height, d.height - 1);
    OTHER_SHAPE(layout, SIDELIGHT_LAYOUT_I400);

#define BAD_PARAM(field, value, want)                                                               \
    do {                                                                                           \
        SidelightCodecParams bad = c.params;                                                              \
        bad.field = (value);                                                                       \
        CHECK_INT(ENCODE(encoder, &o, &d, &bad, &payload), want);                                  \
    } while (0)
    BAD_PARAM(codec, 0, INVALID);
    BAD_PARAM(codec, 99, SIDELIGHT_ERROR_UNSUPPORTED);
    BAD_PARAM(quant[0][0], 0, INVALID);
    BAD_PARAM(reserved[0], 1, INVALID);

    CHECK(!memcmp(&payload, &untouched, sizeof payload));
    CHECK(!memcmp(&report, &kept, sizeof report));
    sidelight_encoder_close(&encoder);
    coded_free(&c);
}

struct errand {
    const struct coded *c;
    SidelightEncoder *encoder;
    SidelightDecoder *decoder;
    struct frame *out;
    SidelightBuffer payload;
    int encoded, set, filtered;
};

static void *run_errand(void *user)
{
    struct errand *e = user;
    const struct coded *c = e->c;
    e->encoded = sidelight_encoder_encode(e->encoder, &c->original.picture, &c->decoded.picture, 1,
                                          &c->params, &e->payload, NULL);
    e->set = sidelight_decoder_set_payload(e->decoder, e->payload.data, e->payload.size, &c->params);
    e->filtered = sidelight_decoder_filter(e->decoder, &c->decoded.picture, &e->out->picture);
    sidelight_encoder_close(&e->encoder);
    sidelight_decoder_close(&e->decoder);
    return NULL;
}

/* Handles move to other threads; several encoders work at once. */
static void other_threads(void)
{
    struct coded c = cheap_picture(13);
    SidelightBuffer first = encode(&c, SIDELIGHT_MODE_UPDATE, 2, NULL);
    enum { N = 3 };
    pthread_t threads[N];
    struct errand errands[N];
    struct frame outs[N];
    for (int i = 0; i < N; i++) {
        outs[i] = frame_new_like(&c);
        errands[i] = (struct errand){
            .c = &c,
            .encoder = open_encoder(SIDELIGHT_MODE_UPDATE, 2, few_steps()),
            .decoder = open_decoder(false),
            .out = &outs[i],
        };
        REQUIRE(pthread_create(&threads[i], NULL, run_errand, &errands[i]) == 0);
    }
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        CHECK_INT(errands[i].encoded, 0);
        CHECK(errands[i].set >= 0);
        CHECK_INT(errands[i].filtered, 0);
        CHECK(errands[i].encoder == NULL && errands[i].decoder == NULL);
        CHECK(same(&first, &errands[i].payload));
        CHECK(frame_equal(&outs[0], &outs[i], 0));
    }
    for (int i = 0; i < N; i++) {
        sidelight_buffer_unref(&errands[i].payload);
        frame_free(&outs[i]);
    }
    sidelight_buffer_unref(&first);
    coded_free(&c);
}

int main(void)
{
    opening();
    reports();
    published();
    determinism();
    if (check_quick()) {
        damaged_payloads(few_steps(), 5);
    } else {
        damaged_payloads(few_steps(), 1);
        damaged_payloads(MANY_STEPS, 61);
    }
    documented_examples();
    off_payload();
    stale_payloads();
    through_the_file();
    progress();
    callbacks_call_back();
    tiny_pictures();
    nothing_to_gain();
    slopes();
    arguments();
    other_threads();
    return check_finish();
}
