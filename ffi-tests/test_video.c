/* Video: payloads for several pictures, bound to their carriers, through SEI messages, at 8, 10 and 12
 * bits. */
#include "check.h"
#include "frame.h"

#include <math.h>
#include <string.h>

enum {
    INVALID = SIDELIGHT_ERROR_INVALID_ARGUMENT,
    HEADER = 8,
    UUID = sizeof SIDELIGHT_SEI_UUID,
    PAD = 5, /* bytes or pairs of bytes between rows, never a sample */
    PICTURES = 5
};

/* At this price an update of about 100 bytes costs 0.001 dB. */
static const double CHEAP = 1e-5;

/* One picture of each kind, and another B. */
static const uint32_t TYPES[PICTURES] = {SIDELIGHT_PICTURE_TYPE_IRAP, SIDELIGHT_PICTURE_TYPE_P,
                                         SIDELIGHT_PICTURE_TYPE_B, SIDELIGHT_PICTURE_TYPE_B,
                                         SIDELIGHT_PICTURE_TYPE_I};

static uint32_t width(void)
{
    return check_quick() ? 21 : 61;
}

static uint32_t height(void)
{
    return check_quick() ? 18 : 46;
}

/* ---- pictures of any depth, each plane in memory of its own ---- */

struct picture {
    SidelightPicture p;
    void *memory[3];
    size_t bytes[3];
};

static struct picture picture_new(uint32_t layout, uint32_t depth, uint32_t w, uint32_t h)
{
    struct picture a = {.p = {.width = w, .height = h, .layout = layout, .bit_depth = depth}};
    const size_t sample = depth > 8 ? 2 : 1;
    for (int i = 0; i < layout_planes(layout); i++) {
        uint32_t columns, rows;
        layout_size(layout, i, w, h, &columns, &rows);
        a.bytes[i] = sample * ((size_t)(columns + PAD) * (rows - 1) + columns);
        a.memory[i] = malloc(a.bytes[i]);
        REQUIRE(a.memory[i] != NULL);
        memset(a.memory[i], FRAME_GUARD, a.bytes[i]);
        a.p.data[i] = a.memory[i];
        a.p.stride[i] = (ptrdiff_t)(sample * (columns + PAD));
    }
    return a;
}

static void picture_free(struct picture *a)
{
    for (int i = 0; i < 3; i++) free(a->memory[i]);
    *a = (struct picture){0};
}

static struct picture picture_like(const struct picture *a)
{
    struct picture b = picture_new(a->p.layout, a->p.bit_depth, a->p.width, a->p.height);
    b.p.picture_type = a->p.picture_type;
    return b;
}

static uint32_t get(const struct picture *a, int plane, uint32_t x, uint32_t y)
{
    const char *row = (const char *)a->p.data[plane] + a->p.stride[plane] * (ptrdiff_t)y;
    return a->p.bit_depth > 8 ? ((const uint16_t *)row)[x] : ((const uint8_t *)row)[x];
}

static void put(struct picture *a, int plane, uint32_t x, uint32_t y, double v)
{
    const double max = (1u << a->p.bit_depth) - 1;
    const uint32_t s = (uint32_t)fmin(fmax(floor(v + 0.5), 0), max);
    char *row = (char *)a->p.data[plane] + a->p.stride[plane] * (ptrdiff_t)y;
    if (a->p.bit_depth > 8) ((uint16_t *)row)[x] = (uint16_t)s;
    else ((uint8_t *)row)[x] = (uint8_t)s;
}

/* Samples and what lies between the rows. */
static bool equal(const struct picture *a, const struct picture *b)
{
    for (int i = 0; i < layout_planes(a->p.layout); i++) {
        if (memcmp(a->memory[i], b->memory[i], a->bytes[i])) return false;
    }
    return true;
}

static double psnr(const struct picture *a, const struct picture *b, int plane)
{
    uint32_t columns, rows;
    layout_size(a->p.layout, plane, a->p.width, a->p.height, &columns, &rows);
    double sum = 0;
    for (uint32_t y = 0; y < rows; y++) {
        for (uint32_t x = 0; x < columns; x++) {
            const double d = (double)get(a, plane, x, y) - (double)get(b, plane, x, y);
            sum += d * d;
        }
    }
    const double peak = (1u << a->p.bit_depth) - 1;
    return sum > 0 ? 10 * log10(peak * peak * columns * rows / sum) : INFINITY;
}

/* Paints a picture and codes it crudely: every block keeps its mean and few levels around it. */
static void paint(struct picture *original, struct picture *decoded, uint32_t seed, uint32_t step)
{
    struct frame f = frame_new(original->p.layout, original->p.width, original->p.height, 0, 0);
    frame_paint(&f, seed);
    const double unit = 1u << (original->p.bit_depth - 8);
    for (int p = 0; p < layout_planes(original->p.layout); p++) {
        uint32_t columns, rows;
        layout_size(original->p.layout, p, original->p.width, original->p.height, &columns, &rows);
        for (uint32_t y = 0; y < rows; y++) {
            for (uint32_t x = 0; x < columns; x++) {
                put(original, p, x, y, frame_row(&f, p, y)[x] * unit + (x * 3 + y) % 4 * unit / 4);
            }
        }
        for (uint32_t top = 0; top < rows; top += 8) {
            for (uint32_t left = 0; left < columns; left += 8) {
                const uint32_t bottom = top + 8 < rows ? top + 8 : rows;
                const uint32_t right = left + 8 < columns ? left + 8 : columns;
                double mean = 0;
                for (uint32_t y = top; y < bottom; y++) {
                    for (uint32_t x = left; x < right; x++) mean += get(original, p, x, y);
                }
                mean = floor(mean / ((bottom - top) * (right - left)));
                for (uint32_t y = top; y < bottom; y++) {
                    for (uint32_t x = left; x < right; x++) {
                        const double d = get(original, p, x, y) - mean;
                        put(decoded, p, x, y, mean + floor(d / (step * unit) + 0.5) * step * unit);
                    }
                }
            }
        }
    }
    frame_free(&f);
}

/* ---- a clip and its payload ---- */

struct clip {
    struct picture original[PICTURES], decoded[PICTURES];
    SidelightPicture originals[PICTURES], decodeds[PICTURES];
    SidelightCodecParams params;
};

static struct clip clip_new(uint32_t layout, uint32_t depth)
{
    struct clip c = {.params = {.codec = SIDELIGHT_CODEC_HEVC, .qp = {35, 36, 37},
                               .slope_db_per_byte = CHEAP}};
    for (int i = 0; i < PICTURES; i++) {
        c.original[i] = picture_new(layout, depth, width(), height());
        c.decoded[i] = picture_new(layout, depth, width(), height());
        c.decoded[i].p.picture_type = TYPES[i];
        paint(&c.original[i], &c.decoded[i], (uint32_t)i, 30);
        c.originals[i] = c.original[i].p;
        c.decodeds[i] = c.decoded[i].p;
    }
    return c;
}

static void clip_free(struct clip *c)
{
    for (int i = 0; i < PICTURES; i++) {
        picture_free(&c->original[i]);
        picture_free(&c->decoded[i]);
    }
}

static uint32_t many_steps(void)
{
    return check_quick() ? 1 : 12;
}

static SidelightEncoder *open_encoder(uint32_t mode, uint32_t threads, uint32_t steps)
{
    SidelightEncoderSettings settings = {0};
    settings.no_update = mode != SIDELIGHT_MODE_UPDATE;
    settings.threads = threads;
    settings.steps = steps;
    settings.model_size =
        check_quick() ? SIDELIGHT_MODEL_SIZE_SMALL : SIDELIGHT_MODEL_SIZE_MEDIUM;
    SidelightEncoder *encoder = NULL;
    REQUIRE(sidelight_encoder_open(&settings, &encoder) == 0);
    return encoder;
}

static SidelightDecoder *open_decoder(void)
{
    SidelightDecoderSettings settings = {0};
    settings.threads = 2;
    SidelightDecoder *decoder = NULL;
    REQUIRE(sidelight_decoder_open(&settings, &decoder) == 0);
    return decoder;
}

/* `mode` is the most that may be sent. */
static SidelightBuffer encode_in(uint32_t steps, const struct clip *c, uint32_t mode,
                                 uint32_t threads, SidelightReport *report)
{
    SidelightEncoder *encoder = open_encoder(mode, threads, steps);
    SidelightBuffer payload = {0};
    SidelightCodecParams params = c->params;
    if (mode == SIDELIGHT_MODE_OFF) params.slope_db_per_byte = 1e9; /* nothing pays */
    CHECK_INT(sidelight_encoder_encode(encoder, c->originals, c->decodeds, PICTURES, &params,
                                       &payload, report),
              0);
    REQUIRE(payload.data && payload.size >= HEADER);
    sidelight_encoder_close(&encoder);
    return payload;
}

static SidelightBuffer encode(const struct clip *c, uint32_t mode, uint32_t threads,
                              SidelightReport *report)
{
    return encode_in(many_steps(), c, mode, threads, report);
}

/* A payload behind our UUID, in memory that ends with it. */
static uint8_t *message_new(const uint8_t *payload, size_t size)
{
    uint8_t *message = malloc(UUID + size);
    REQUIRE(message != NULL);
    memcpy(message, SIDELIGHT_SEI_UUID, UUID);
    if (size) memcpy(message + UUID, payload, size);
    return message;
}

static int set_one(SidelightDecoder *decoder, const SidelightPicture *picture, const uint8_t *payload,
                   size_t size)
{
    uint8_t *message = message_new(payload, size);
    const uint8_t *const messages[] = {message};
    const size_t sizes[] = {UUID + size};
    const int rc = sidelight_decoder_set_sei(decoder, picture, messages, sizes, 1);
    free(message);
    return rc;
}

/* Whether pictures like `in` come out as they are. */
static bool passes(SidelightDecoder *decoder, const struct picture *in)
{
    struct picture out = picture_like(in);
    const bool same = sidelight_decoder_filter(decoder, &in->p, &out.p) == 0 && equal(in, &out);
    picture_free(&out);
    return same;
}

static bool near(double a, double b)
{
    return a == b || fabs(a - b) <= 1e-9;
}

/* What the report says, against what the decoder makes of each picture. */
static void round_trip(uint32_t layout, uint32_t depth)
{
    struct clip c = clip_new(layout, depth);
    double last = -INFINITY;
    for (uint32_t mode = 0; mode <= SIDELIGHT_MODE_UPDATE; mode++) {
        SidelightReport report;
        SidelightBuffer payload = encode(&c, mode, 2, &report);
        CHECK(report.mode <= mode);
        CHECK_INT(report.payload_bytes, payload.size);
        SidelightPayloadInfo info;
        CHECK_INT(sidelight_payload_probe(payload.data, payload.size, &info), 0);
        CHECK_INT(info.mode, report.mode);
        CHECK_INT(info.known, 1);
        if (info.mode != SIDELIGHT_MODE_OFF) {
            CHECK_INT(info.codec, SIDELIGHT_CODEC_HEVC);
            CHECK_INT(info.update_bytes, payload.size - HEADER - 3);
            CHECK(!memcmp(info.qp, payload.data + HEADER, 3));
        }
        SidelightDecoder *decoder = open_decoder();
        double decoded[3] = {0}, sent[3] = {0};
        for (int i = 0; i < PICTURES; i++) {
            const int rc = i == 0 ? set_one(decoder, &c.decodeds[0], payload.data, payload.size)
                                  : sidelight_decoder_set_sei(decoder, &c.decodeds[i], NULL, NULL, 0);
            CHECK_INT(rc, i == 0 ? (int)report.mode : SIDELIGHT_ERROR_NO_PAYLOAD);
            struct picture out = picture_like(&c.decoded[i]);
            CHECK_INT(sidelight_decoder_filter(decoder, &c.decodeds[i], &out.p), 0);
            if (report.mode == SIDELIGHT_MODE_OFF) CHECK(equal(&out, &c.decoded[i]));
            for (int p = 0; p < layout_planes(layout); p++) {
                decoded[p] += psnr(&c.original[i], &c.decoded[i], p) / PICTURES;
                sent[p] += psnr(&c.original[i], &out, p) / PICTURES;
            }
            picture_free(&out);
        }
        check_that(near(report.psnr_decoded, decoded[0]) && near(report.psnr_payload, sent[0]), __FILE__,
                   __LINE__, "layout %u, %u bits: report %.6f, %.6f; measured %.6f, %.6f", layout,
                   depth, report.psnr_decoded, report.psnr_payload, decoded[0], sent[0]);
        for (int p = 1; p < 3; p++) {
            CHECK(near(report.psnr_chroma_decoded[p - 1], decoded[p]));
            CHECK(near(report.psnr_chroma_payload[p - 1], sent[p]));
        }
        CHECK(report.psnr_payload >= last - 0.05); /* chroma may be worth more than luma */
        last = report.psnr_payload;
        sidelight_decoder_close(&decoder);
        sidelight_buffer_unref(&payload);
    }
    clip_free(&c);
}

/* A clip with a payload that surely filters something: as good as free, or tried with other clips. */
static SidelightBuffer filtering_payload(struct clip *c)
{
    *c = clip_new(SIDELIGHT_LAYOUT_I420, 8);
    SidelightReport report;
    SidelightBuffer payload = encode(c, SIDELIGHT_MODE_UPDATE, 2, &report);
    REQUIRE(report.mode != SIDELIGHT_MODE_OFF);
    return payload;
}

/* Whether any of the clip's pictures changes. */
static bool filters(SidelightDecoder *decoder, const struct clip *c)
{
    bool all = true;
    for (int i = 0; i < PICTURES; i++) all = passes(decoder, &c->decoded[i]) && all;
    return !all;
}

static void binding(void)
{
    struct clip c;
    SidelightBuffer payload = filtering_payload(&c);
    const int mode = payload.data[0] & 15;
    SidelightDecoder *decoder = open_decoder();
    uint8_t *copy = malloc(payload.size);
    REQUIRE(copy != NULL);
    memcpy(copy, payload.data, payload.size);

    /* The encoder bound it to the first; it is stale at the others. */
    CHECK_INT(set_one(decoder, &c.decodeds[0], copy, payload.size), mode);
    CHECK(filters(decoder, &c));
    CHECK_INT(set_one(decoder, &c.decodeds[1], copy, payload.size), SIDELIGHT_ERROR_NO_PAYLOAD);
    CHECK(filters(decoder, &c));
    SidelightDecoder *other = open_decoder();
    CHECK_INT(set_one(other, &c.decodeds[1], copy, payload.size), SIDELIGHT_ERROR_STALE);
    CHECK(!filters(other, &c));
    sidelight_decoder_close(&other);
    /* Bound to another one, the rest stays. */
    CHECK_INT(sidelight_payload_bind(copy, payload.size, &c.decodeds[4]), 0);
    CHECK_INT(set_one(decoder, &c.decodeds[4], copy, payload.size), mode);
    CHECK(filters(decoder, &c));
    CHECK_INT(set_one(decoder, &c.decodeds[0], copy, payload.size), SIDELIGHT_ERROR_STALE);
    CHECK(!memcmp(copy, payload.data, 5) && !memcmp(copy + 8, payload.data + 8, payload.size - 8));
    CHECK(memcmp(copy, payload.data, payload.size));
    /* And back; the carrier's type does not count. */
    SidelightPicture carrier = c.decodeds[0];
    carrier.picture_type = SIDELIGHT_PICTURE_TYPE_B;
    CHECK_INT(sidelight_payload_bind(copy, payload.size, &carrier), 0);
    CHECK(!memcmp(copy, payload.data, payload.size));
    /* Padding does not count, each sample does. */
    memset((char *)c.decoded[0].memory[0] + width(), 1, PAD);
    CHECK_INT(set_one(decoder, &c.decodeds[0], copy, payload.size), mode);
    ((uint8_t *)c.decoded[0].memory[2])[0] ^= 1;
    CHECK_INT(set_one(decoder, &c.decodeds[0], copy, payload.size), SIDELIGHT_ERROR_STALE);
    ((uint8_t *)c.decoded[0].memory[2])[0] ^= 1;

    CHECK_INT(sidelight_payload_bind(NULL, payload.size, &carrier), INVALID);
    CHECK_INT(sidelight_payload_bind(copy, payload.size, NULL), INVALID);
    CHECK_INT(sidelight_payload_bind(copy, SIZE_MAX, &carrier), INVALID);
    CHECK_INT(sidelight_payload_bind(copy, 0, &carrier), SIDELIGHT_ERROR_CORRUPT);
    CHECK_INT(sidelight_payload_bind(copy, HEADER - 1, &carrier), SIDELIGHT_ERROR_CORRUPT);
    CHECK_INT(sidelight_payload_bind(copy, payload.size - 1, &carrier), SIDELIGHT_ERROR_CORRUPT);
#define BAD_CARRIER(field, value, want)                                                            \
    do {                                                                                           \
        SidelightPicture bad = c.decodeds[0];                                                      \
        bad.field = (value);                                                                       \
        CHECK_INT(sidelight_payload_bind(copy, payload.size, &bad), want);                         \
        CHECK_INT(set_one(decoder, &bad, copy, payload.size), want);                               \
    } while (0)
    BAD_CARRIER(layout, LAYOUTS, INVALID);
    BAD_CARRIER(picture_type, 4, INVALID);
    BAD_CARRIER(picture_type, UINT32_MAX, INVALID);
    BAD_CARRIER(bit_depth, 0, INVALID);
    BAD_CARRIER(bit_depth, 9, SIDELIGHT_ERROR_UNSUPPORTED);
    BAD_CARRIER(width, 0, INVALID);
    BAD_CARRIER(height, 65536, INVALID);
    BAD_CARRIER(stride[0], width() - 1, INVALID);
    BAD_CARRIER(stride[1], -1, INVALID);
    BAD_CARRIER(data[0], NULL, INVALID);
    BAD_CARRIER(data[2], NULL, INVALID);
    BAD_CARRIER(reserved[15], 1, INVALID);
    CHECK(!memcmp(copy, payload.data, payload.size));
    for (size_t i = 0; i < payload.size && i < 40; i++) {
        if (i == 6 || i == 7) continue;
        copy[i] ^= 0x10;
        uint8_t before[65536];
        memcpy(before, copy, payload.size);
        CHECK(sidelight_payload_bind(copy, payload.size, &carrier) < 0);
        CHECK(!memcmp(before, copy, payload.size));
        copy[i] ^= 0x10;
    }
    free(copy);
    sidelight_decoder_close(&decoder);
    sidelight_buffer_unref(&payload);
    clip_free(&c);
}

static void messages(void)
{
    struct clip c;
    SidelightBuffer payload = filtering_payload(&c);
    const int mode = payload.data[0] & 15;
    const SidelightPicture *irap = &c.decodeds[0], *b = &c.decodeds[2];
    SidelightDecoder *decoder = open_decoder();
    const size_t size = UUID + payload.size;
    uint8_t *good = message_new(payload.data, payload.size);
    uint8_t *stale = message_new(payload.data, payload.size);
    REQUIRE(sidelight_payload_bind(stale + UUID, payload.size, b) == 0);
    /* x265 puts a UUID of its own in front. */
    uint8_t *shifted = malloc(UUID + size);
    REQUIRE(shifted != NULL);
    memset(shifted, 0x77, UUID);
    memcpy(shifted + UUID, good, size);
    uint8_t *foreign = malloc(size);
    REQUIRE(foreign != NULL);
    memcpy(foreign, good, size);
    foreign[3] ^= 1;
    uint8_t *corrupt = malloc(size);
    REQUIRE(corrupt != NULL);
    memcpy(corrupt, good, size);
    corrupt[size - 1] ^= 1;

#define SET(picture, want, n, ...)                                                                 \
    do {                                                                                           \
        const uint8_t *const list[] = {__VA_ARGS__};                                               \
        size_t bytes[n];                                                                           \
        for (int i = 0; i < (n); i++) bytes[i] = list[i] == shifted ? UUID + size : size;          \
        CHECK_INT(sidelight_decoder_set_sei(decoder, (picture), list, bytes, (n)), want);          \
    } while (0)
#define ON() CHECK_INT(set_one(decoder, irap, payload.data, payload.size), mode), CHECK(filters(decoder, &c))

    SET(irap, mode, 1, good);
    CHECK(filters(decoder, &c));
    SET(irap, mode, 1, shifted);
    CHECK(filters(decoder, &c));
    /* Other pictures keep it, an IRAP picture without a payload ends it. */
    SET(b, SIDELIGHT_ERROR_NO_PAYLOAD, 1, foreign);
    CHECK(filters(decoder, &c));
    CHECK_INT(sidelight_decoder_set_sei(decoder, b, NULL, NULL, 0), SIDELIGHT_ERROR_NO_PAYLOAD);
    CHECK_INT(sidelight_decoder_set_sei(decoder, &c.decodeds[4], NULL, NULL, 0),
              SIDELIGHT_ERROR_NO_PAYLOAD);
    CHECK(filters(decoder, &c));
    CHECK_INT(sidelight_decoder_set_sei(decoder, irap, NULL, NULL, 0), SIDELIGHT_ERROR_NO_PAYLOAD);
    CHECK(!filters(decoder, &c));
    ON();
    SET(irap, SIDELIGHT_ERROR_NO_PAYLOAD, 2, foreign, foreign);
    CHECK(!filters(decoder, &c));

    /* The last good one counts; if none is good, the last one's error. */
    SET(irap, mode, 3, stale, foreign, good);
    CHECK(filters(decoder, &c));
    SET(irap, mode, 4, good, stale, corrupt, foreign);
    CHECK(filters(decoder, &c));
    SET(irap, SIDELIGHT_ERROR_STALE, 3, corrupt, stale, foreign);
    CHECK(!filters(decoder, &c));
    ON();
    SET(irap, SIDELIGHT_ERROR_CORRUPT, 2, stale, corrupt);
    CHECK(!filters(decoder, &c));
    ON();
    SET(b, mode, 2, good, stale);
    CHECK(filters(decoder, &c));
    SET(b, SIDELIGHT_ERROR_CORRUPT, 2, corrupt, good);
    CHECK(!filters(decoder, &c));

    /* Off cancels, at any picture; the later of two counts. */
    struct clip perfect = clip_new(SIDELIGHT_LAYOUT_I420, 8);
    SidelightReport report;
    SidelightBuffer off = encode(&perfect, SIDELIGHT_MODE_OFF, 1, &report);
    CHECK_INT(report.mode, SIDELIGHT_MODE_OFF);
    CHECK_INT(off.size, HEADER);
    ON();
    CHECK_INT(set_one(decoder, irap, off.data, off.size), SIDELIGHT_MODE_OFF);
    CHECK(!filters(decoder, &c));
    ON();
    REQUIRE(sidelight_payload_bind(off.data, off.size, b) == 0);
    CHECK_INT(set_one(decoder, b, off.data, off.size), SIDELIGHT_MODE_OFF);
    CHECK(!filters(decoder, &c));
    ON();

    /* Hostile bytes: every length, every bit. */
    for (size_t n = 0; n < size; n++) {
        uint8_t *cut = malloc(n ? n : 1);
        REQUIRE(cut != NULL);
        memcpy(cut, good, n);
        const uint8_t *const list[] = {cut};
        const int rc = sidelight_decoder_set_sei(decoder, irap, list, &n, 1);
        const bool told = n <= UUID ? rc == SIDELIGHT_ERROR_NO_PAYLOAD
                                    : rc == SIDELIGHT_ERROR_CORRUPT || rc == SIDELIGHT_ERROR_STALE;
        check_that(told, __FILE__, __LINE__, "%zu of %zu bytes: %d", n, size, rc);
        free(cut);
    }
    CHECK(!filters(decoder, &c));
    const size_t stride = check_quick() ? 7 : 1;
    for (size_t bit = 0; bit < 8 * size; bit += stride) {
        good[bit / 8] ^= (uint8_t)(1 << bit % 8);
        const uint8_t *const list[] = {good};
        CHECK(sidelight_decoder_set_sei(decoder, irap, list, &size, 1) < 0);
        good[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    uint64_t state = 9;
    for (int i = 0; i < (check_quick() ? 50 : 2000); i++) {
        uint8_t noise[200];
        for (size_t k = 0; k < sizeof noise; k++) noise[k] = (uint8_t)random_next(&state);
        CHECK(set_one(decoder, irap, noise, random_next(&state) % sizeof noise) < 0);
    }
    uint8_t *long_one = calloc(1, 70000);
    REQUIRE(long_one != NULL);
    CHECK_INT(set_one(decoder, irap, long_one, 65537), SIDELIGHT_ERROR_TOO_LARGE);
    free(long_one);

    /* Many, of which one is good, among the last 16 payloads or before them. */
    enum { MANY = 3000 };
    const uint8_t **many = malloc(MANY * sizeof *many);
    size_t *sizes = malloc(MANY * sizeof *sizes);
    REQUIRE(many && sizes);
    for (int i = 0; i < MANY; i++) {
        many[i] = i % 2 ? stale : foreign;
        sizes[i] = size;
    }
    many[MANY - 31] = good;
    CHECK_INT(sidelight_decoder_set_sei(decoder, irap, many, sizes, MANY), mode);
    CHECK(filters(decoder, &c));
    many[MANY - 31] = stale;
    many[MANY - 33] = good;
    CHECK_INT(sidelight_decoder_set_sei(decoder, irap, many, sizes, MANY), SIDELIGHT_ERROR_STALE);
    CHECK(!filters(decoder, &c));
    free(many);
    free(sizes);

    /* NULLs. A message of no bytes may be NULL. */
    const uint8_t *const null[] = {NULL}, *const one[] = {good};
    const size_t none[] = {0};
    CHECK_INT(sidelight_decoder_set_sei(NULL, irap, one, &size, 1), INVALID);
    SidelightPicture bad = *irap;
    bad.width = 0;
#define INVALID_AND_OFF(picture, messages, sizes, count)                                           \
    do {                                                                                           \
        ON();                                                                                      \
        CHECK_INT(sidelight_decoder_set_sei(decoder, picture, messages, sizes, count), INVALID);   \
        CHECK(!filters(decoder, &c));                                                              \
    } while (0)
    INVALID_AND_OFF(NULL, one, &size, 1);
    INVALID_AND_OFF(&bad, one, &size, 1);
    INVALID_AND_OFF(irap, NULL, &size, 1);
    INVALID_AND_OFF(irap, one, NULL, 1);
    INVALID_AND_OFF(irap, null, &size, 1);
    INVALID_AND_OFF(irap, one, &size, SIZE_MAX);
    const int rc = sidelight_decoder_set_sei(decoder, irap, null, none, 1);
    CHECK(rc == SIDELIGHT_ERROR_NO_PAYLOAD || rc == INVALID);

    free(good);
    free(stale);
    free(shifted);
    free(foreign);
    free(corrupt);
    sidelight_buffer_unref(&off);
    sidelight_buffer_unref(&payload);
    sidelight_decoder_close(&decoder);
    clip_free(&perfect);
    clip_free(&c);
}

/* How many of three periods' pictures are filtered where copies of the first message come with later pictures, as
 * mkvmerge writes them and FFmpeg hands them out. */
enum { COPIES = 24, PERIOD = 8 };

enum delivery {
    OWN,      /* none */
    IN_FRONT, /* in front of the picture's own: FFmpeg 8 with one thread */
    BEHIND,   /* on IRAP pictures, behind their own: a file that FFmpeg 5 to 7 remuxed */
    THREADS,  /* on the first four pictures: FFmpeg 8 with four threads */
    LOST,     /* IN_FRONT, and the second IRAP picture has nothing but the copy */
    UNKNOWN   /* on all pictures but the first: nothing says that it is a copy */
};

static int filtered_pictures(SidelightDecoder *decoder, const struct clip *c, const SidelightBuffer *payload,
                             enum delivery delivery, int first)
{
    const size_t size = UUID + payload->size;
    uint8_t *copy = message_new(payload->data, payload->size), *own = message_new(payload->data, payload->size);
    struct picture in = picture_like(&c->decoded[0]);
    int filtered = 0;
    for (int i = 0; i < COPIES; i++) {
        /* Each picture is another one. */
        memcpy(in.memory[0], c->decoded[0].memory[0], in.bytes[0]);
        memcpy(in.memory[1], c->decoded[0].memory[1], in.bytes[1]);
        memcpy(in.memory[2], c->decoded[0].memory[2], in.bytes[2]);
        put(&in, 0, (uint32_t)i % width(), 0, i);
        const bool irap = i % PERIOD == 0;
        in.p.picture_type = irap ? SIDELIGHT_PICTURE_TYPE_IRAP : SIDELIGHT_PICTURE_TYPE_P;
        if (irap) REQUIRE(sidelight_payload_bind(own + UUID, payload->size, &in.p) == 0);
        if (i == 0) memcpy(copy, own, size);
        if (i < first) continue;
        const bool copied = delivery == IN_FRONT || delivery == LOST || (delivery == BEHIND && irap) ||
                            (delivery == THREADS && i < 4) || (delivery == UNKNOWN && i > 0 && !irap);
        const uint8_t *messages[2];
        const size_t sizes[2] = {size, size};
        size_t count = 0;
        if (copied && delivery != BEHIND) messages[count++] = copy;
        if (irap && !(delivery == LOST && i == PERIOD)) messages[count++] = own;
        if (copied && delivery == BEHIND) messages[count++] = copy;
        const int rc = sidelight_decoder_set_sei(decoder, &in.p, messages, sizes, count);
        const bool lost = delivery == LOST && i == PERIOD;
        const bool unknown = delivery == UNKNOWN && !irap && first > 0;
        if (lost || unknown) CHECK_INT(rc, SIDELIGHT_ERROR_STALE);
        else CHECK_INT(rc, irap ? payload->data[0] & 15 : SIDELIGHT_ERROR_NO_PAYLOAD);
        struct picture out = picture_like(&in);
        CHECK_INT(sidelight_decoder_filter(decoder, &in.p, &out.p), 0);
        filtered += !equal(&in, &out);
        picture_free(&out);
    }
    picture_free(&in);
    free(copy);
    free(own);
    return filtered;
}

static void copies(void)
{
    struct clip c;
    SidelightBuffer payload = filtering_payload(&c);
    static const struct {
        enum delivery delivery;
        int first, filtered;
    } cases[] = {
        {OWN, 0, COPIES},      {IN_FRONT, 0, COPIES}, {BEHIND, 0, COPIES}, {THREADS, 0, COPIES},
        {UNKNOWN, 0, COPIES},  {LOST, 0, 2 * PERIOD}, /* from an IRAP picture on: */
        {IN_FRONT, PERIOD, 2 * PERIOD}, {BEHIND, PERIOD, 2 * PERIOD}, {LOST, PERIOD, PERIOD},
        {UNKNOWN, PERIOD, 2},  /* the IRAP pictures alone */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SidelightDecoder *decoder = open_decoder();
        const int filtered = filtered_pictures(decoder, &c, &payload, cases[i].delivery, cases[i].first);
        check_that(filtered == cases[i].filtered, __FILE__, __LINE__, "case %zu: %d pictures filtered, not %d", i,
                   filtered, cases[i].filtered);
        sidelight_decoder_close(&decoder);
    }
    sidelight_buffer_unref(&payload);
    clip_free(&c);
}

/* A type whose QP is 0, or of which there is no picture, is left as it is. */
static void types_left_alone(void)
{
    struct clip c = clip_new(SIDELIGHT_LAYOUT_I420, 10);
    for (int alone = 0; alone < 3; alone++) {
        c.params.qp[0] = c.params.qp[1] = c.params.qp[2] = 36;
        c.params.qp[alone] = 0;
        SidelightReport report;
        SidelightBuffer payload = encode(&c, SIDELIGHT_MODE_UPDATE, 2, &report);
        SidelightDecoder *decoder = open_decoder();
        CHECK_INT(set_one(decoder, &c.decodeds[0], payload.data, payload.size), report.mode);
        for (int i = 0; i < PICTURES; i++) {
            const uint32_t type = TYPES[i];
            const int class = type == SIDELIGHT_PICTURE_TYPE_P ? 1 : type == SIDELIGHT_PICTURE_TYPE_B ? 2 : 0;
            if (class == alone) CHECK(passes(decoder, &c.decoded[i]));
        }
        sidelight_decoder_close(&decoder);
        sidelight_buffer_unref(&payload);
    }
    c.params.qp[0] = c.params.qp[1] = c.params.qp[2] = 0;
    SidelightReport report;
    SidelightBuffer payload = encode(&c, SIDELIGHT_MODE_UPDATE, 2, &report);
    CHECK_INT(report.mode, SIDELIGHT_MODE_OFF);
    sidelight_buffer_unref(&payload);
    c.params.qp[0] = c.params.qp[1] = c.params.qp[2] = 36;
    SidelightEncoder *encoder = open_encoder(SIDELIGHT_MODE_UPDATE, 2, many_steps());
    CHECK_INT(sidelight_encoder_encode(encoder, c.originals, c.decodeds, 1, &c.params, &payload, NULL), 0);
    SidelightDecoder *decoder = open_decoder();
    CHECK(set_one(decoder, &c.decodeds[0], payload.data, payload.size) >= 0);
    for (int i = 1; i < 4; i++) CHECK(passes(decoder, &c.decoded[i]));
    sidelight_decoder_close(&decoder);
    sidelight_encoder_close(&encoder);
    sidelight_buffer_unref(&payload);
    clip_free(&c);
}

static void same_payload(void)
{
    const uint32_t steps = check_quick() ? 1 : 3; /* portable code takes its time */
    struct clip c = clip_new(SIDELIGHT_LAYOUT_I420, 10);
    SidelightBuffer first = encode_in(steps, &c, SIDELIGHT_MODE_UPDATE, 1, NULL);
    static const uint32_t levels[] = {SIDELIGHT_CPU_LEVEL_SCALAR, SIDELIGHT_CPU_LEVEL_BEST};
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_INT(sidelight_set_cpu_level(levels[i]), 0);
        SidelightBuffer other = encode_in(steps, &c, SIDELIGHT_MODE_UPDATE, 2 + i, NULL);
        CHECK(first.size == other.size && !memcmp(first.data, other.data, first.size));
        sidelight_buffer_unref(&other);
    }
    sidelight_buffer_unref(&first);
    clip_free(&c);
}

static void refused(void)
{
    struct clip c = clip_new(SIDELIGHT_LAYOUT_I420, 8);
    SidelightEncoder *encoder = open_encoder(SIDELIGHT_MODE_UPDATE, 1, many_steps());
    SidelightBuffer payload;
    memset(&payload, 0x5A, sizeof payload);
    const SidelightBuffer untouched = payload;
    SidelightReport report, kept;
    memset(&report, 0x5A, sizeof report);
    memcpy(&kept, &report, sizeof report);
#define ENCODE(count, h)                                                                           \
    sidelight_encoder_encode(encoder, c.originals, c.decodeds, (count), (h), &payload, &report)
    CHECK_INT(ENCODE(0, &c.params), INVALID);
    CHECK_INT(ENCODE(4097, &c.params), INVALID);
    CHECK_INT(ENCODE(SIZE_MAX, &c.params), INVALID);

    SidelightCodecParams jpeg = {.codec = SIDELIGHT_CODEC_JPEG};
    for (int i = 0; i < 64; i++) jpeg.quant[0][i] = 30;
    CHECK_INT(ENCODE(2, &jpeg), INVALID);
    for (int i = 0; i < 3; i++) {
        SidelightCodecParams bad = c.params;
        bad.qp[i] = 52;
        CHECK_INT(ENCODE(PICTURES, &bad), INVALID);
        bad.qp[i] = 255;
        CHECK_INT(ENCODE(PICTURES, &bad), INVALID);
    }

    /* The third picture is unlike the others. */
    const SidelightPicture o = c.originals[2], d = c.decodeds[2];
#define OTHER(field, value, want)                                                                  \
    do {                                                                                           \
        c.originals[2].field = (value);                                                            \
        CHECK_INT(ENCODE(PICTURES, &c.params), want);                                               \
        c.decodeds[2].field = (value);                                                             \
        CHECK_INT(ENCODE(PICTURES, &c.params), want);                                               \
        c.originals[2] = o;                                                                        \
        CHECK_INT(ENCODE(PICTURES, &c.params), want);                                               \
        c.decodeds[2] = d;                                                                         \
    } while (0)
    OTHER(width, width() - 1, INVALID);
    OTHER(height, height() - 1, INVALID);
    OTHER(layout, SIDELIGHT_LAYOUT_I400, INVALID);
    OTHER(layout, 9, INVALID);
    OTHER(bit_depth, 9, SIDELIGHT_ERROR_UNSUPPORTED);
    OTHER(picture_type, 4, INVALID);
    OTHER(data[1], NULL, INVALID);
    OTHER(reserved[0], 1, INVALID);
    struct picture deep = picture_new(SIDELIGHT_LAYOUT_I420, 10, width(), height());
    c.originals[2] = c.decodeds[2] = deep.p;
    CHECK_INT(ENCODE(PICTURES, &c.params), INVALID);
    c.originals[2] = o;
    c.decodeds[2] = d;
    picture_free(&deep);

    CHECK(!memcmp(&payload, &untouched, sizeof payload));
    CHECK(!memcmp(&report, &kept, sizeof report));
    sidelight_encoder_close(&encoder);
    clip_free(&c);
}

int main(void)
{
    for (uint32_t depth = 8; depth <= 12; depth += 2) {
        round_trip(SIDELIGHT_LAYOUT_I420, depth);
        round_trip(SIDELIGHT_LAYOUT_I400, depth);
    }
    if (!check_quick()) {
        round_trip(SIDELIGHT_LAYOUT_I422, 10);
        round_trip(SIDELIGHT_LAYOUT_I444, 8);
        round_trip(SIDELIGHT_LAYOUT_I440, 8);
        round_trip(SIDELIGHT_LAYOUT_I411, 10);
    }
    binding();
    messages();
    copies();
    types_left_alone();
    same_payload();
    refused();
    return check_finish();
}
