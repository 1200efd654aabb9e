/* Where a large allocation fails, calls return SIDELIGHT_ERROR_OUT_OF_MEMORY, leak nothing and leave handles
 * that work: in encoders and filters with threads, too, and of large pictures and files. test_exhaust.c fails small ones. */
#include "check.h"
#include "coded.h"
#include "failing.h"

#include <malloc.h>
#include <string.h>

/* Encoders, and filters with threads, abort where less can't be had (embedding.md). What fails where a payload is copied
 * is smaller. */
enum { LARGE = 128 * 1024, PAYLOAD = 32 * 1024 };

/* One thing to do with the library. */
struct job {
    const char *name;
    int (*run)(void *context);
    /* Back to where it can be run again, after a failure too. */
    void (*reset)(void *context);
};

/* Fails each of the job's large allocations in turn, until it needs no more. */
static void exhaust(const struct job *job, void *context)
{
    long tried = 0;
    for (;; tried++) {
        atomic_store(&failures, 0);
        atomic_store(&left, tried);
        const int rc = job->run(context);
        atomic_store(&left, -1);
        const bool failed = atomic_load(&failures) > 0;
        check_that(failed ? rc == SIDELIGHT_ERROR_OUT_OF_MEMORY : rc >= 0, __FILE__, __LINE__,
                   "%s, allocation %ld: %d", job->name, tried, rc);
        job->reset(context);
        if (!failed || tried > 100000) break;
    }
    check_that(tried > 0, __FILE__, __LINE__, "%s: no large allocation", job->name);
    CHECK_INT(job->run(context) < 0, 0);
    job->reset(context);
}

struct all {
    struct coded c;
    struct frame out;
    SidelightDecoder *decoder;
    SidelightEncoder *encoder;
    SidelightStream *stream;
    SidelightBuffer payload, file;
    uint8_t *large; /* a payload of PAYLOAD bytes and more */
    size_t large_size;
    SidelightPicture original;
    SidelightCoefficients coefficients;
    int16_t *blocks[2]; /* of all components, and as they came in */
    size_t block_bytes;
};

static int read_jpeg(void *context)
{
    struct all *a = context;
    SidelightCodecParams params;
    return sidelight_jpeg_read(a->file.data, a->file.size, &params, &a->payload);
}

static int rewrite_jpeg(void *context)
{
    struct all *a = context;
    return sidelight_jpeg_rewrite(a->file.data, a->file.size, a->large, 9, &a->payload);
}

static void drop_payload(void *context)
{
    struct all *a = context;
    sidelight_buffer_unref(&a->payload);
    CHECK(!a->payload.data);
}

/* A decoder that has not filtered anything. */
static void new_decoder(void *context)
{
    struct all *a = context;
    SidelightDecoderSettings settings = {0};
    settings.threads = 3;
    sidelight_decoder_close(&a->decoder);
    REQUIRE(sidelight_decoder_open(&settings, &a->decoder) == 0);
    REQUIRE(sidelight_decoder_set_mode(a->decoder, SIDELIGHT_MODE_BASE, &a->c.params) == 0);
}

static int filter(void *context)
{
    struct all *a = context;
    return sidelight_decoder_filter(a->decoder, &a->c.decoded.picture, &a->out.picture);
}

static int filter_band(void *context)
{
    struct all *a = context;
    return sidelight_decoder_filter_band(a->decoder, &a->c.decoded.picture, &a->out.picture, 16, 32);
}

static int encode(void *context)
{
    struct all *a = context;
    return sidelight_encoder_encode(a->encoder, &a->c.original.picture, &a->c.decoded.picture, 1,
                                    &a->c.params, &a->payload, NULL);
}

static int optimise(void *context)
{
    struct all *a = context;
    SidelightOptimiseSettings settings = {0};
    settings.threads = 3;
    settings.effort = 1;
    settings.model_size = SIDELIGHT_MODEL_SIZE_SMALL;
    return sidelight_jpeg_optimise(&settings, &a->original, &a->c.params, NULL, 0, &a->coefficients, NULL);
}

/* After a failure coefficients are as they were. */
static void new_coefficients(void *context)
{
    struct all *a = context;
    if (atomic_load(&failures) > 0) CHECK(!memcmp(a->blocks[0], a->blocks[1], a->block_bytes));
    memcpy(a->blocks[0], a->blocks[1], a->block_bytes);
}

/* Of no picture, but any do. */
static void coefficients(struct all *a, uint32_t layout)
{
    SidelightPicture *p = &a->original;
    *p = a->c.original.picture;
    p->layout = layout;
    const size_t row = (p->width + 7) / 8 * 64 * sizeof(int16_t), component = row * ((p->height + 7) / 8);
    a->block_bytes = 3 * component;
    for (int i = 0; i < 2; i++) {
        a->blocks[i] = calloc(3, component);
        REQUIRE(a->blocks[i] != NULL);
    }
    for (size_t at = 0; at < 3 * component / sizeof(int16_t); at += 7) a->blocks[1][at] = (int16_t)(at % 13) - 6;
    for (int i = 0; i < 3; i++) {
        a->coefficients.blocks[i] = a->blocks[0] + i * component / sizeof(int16_t);
        a->coefficients.stride[i] = (ptrdiff_t)row;
    }
    atomic_store(&failures, 0);
    new_coefficients(a);
    exhaust(&(struct job){"sidelight_jpeg_optimise", optimise, new_coefficients}, a);
    free(a->blocks[0]);
    free(a->blocks[1]);
}

/* An empty stream of HEVC. */
static void new_stream(void *context)
{
    struct all *a = context;
    SidelightStreamSettings settings = {0};
    settings.codec = SIDELIGHT_NAL_CODEC_HEVC;
    sidelight_stream_close(&a->stream);
    REQUIRE(sidelight_stream_open(&settings, &a->stream) == 0);
    drop_payload(a);
}

static int push(void *context)
{
    struct all *a = context;
    return sidelight_stream_push(a->stream, a->file.data, a->file.size);
}

static int through_stream(void *context)
{
    struct all *a = context;
    SidelightAccessUnit unit;
    int rc = push(a);
    if (rc == 0) rc = sidelight_stream_push(a->stream, NULL, 0);
    if (rc == 0) rc = sidelight_stream_next(a->stream, &unit);
    if (rc == SIDELIGHT_ERROR_OUT_OF_MEMORY && atomic_load(&failures) > 0) {
        atomic_store(&left, -1);
        SidelightAccessUnit again;
        if (sidelight_stream_next(a->stream, &again) == 1) { /* the unit is still there */
            CHECK_INT(again.size, a->file.size);
            CHECK_INT(again.payload_size, a->large_size);
        }
    }
    if (rc == 1) rc = sidelight_stream_rewrite(a->stream, a->large, a->large_size, &a->payload);
    return rc;
}

static void jpeg(struct all *a)
{
    /* A comment makes the file large. */
    const size_t comments = 4, comment = 65535;
    uint8_t *padded = malloc(a->c.jpeg_size + comments * (comment + 2));
    REQUIRE(padded != NULL);
    memcpy(padded, a->c.jpeg, 2);
    uint8_t *at = padded + 2;
    for (size_t i = 0; i < comments; i++) {
        const uint8_t head[] = {0xFF, 0xFE, 0xFF, 0xFF};
        memcpy(at, head, sizeof head);
        memset(at + sizeof head, ' ', comment - 2);
        at += comment + 2;
    }
    memcpy(at, a->c.jpeg + 2, a->c.jpeg_size - 2);
    const size_t size = a->c.jpeg_size + comments * (comment + 2);
    REQUIRE(sidelight_jpeg_rewrite(padded, size, a->large, a->large_size, &a->file) == 0);
    free(padded);
    smallest_to_fail = PAYLOAD;
    exhaust(&(struct job){"sidelight_jpeg_read", read_jpeg, drop_payload}, a);
    smallest_to_fail = LARGE;
    exhaust(&(struct job){"sidelight_jpeg_rewrite", rewrite_jpeg, drop_payload}, a);
    sidelight_buffer_unref(&a->file);
}

static void stream(struct all *a)
{
    static const uint8_t aud[] = {0, 0, 0, 1, 35 << 1, 1, 0x10};
    static const uint8_t slice[] = {0, 0, 1, 19 << 1, 1, 0x80, 0xAA};
    uint8_t first[sizeof aud + sizeof slice];
    memcpy(first, aud, sizeof aud);
    memcpy(first + sizeof aud, slice, sizeof slice);
    new_stream(a);
    SidelightAccessUnit unit;
    REQUIRE(sidelight_stream_push(a->stream, first, sizeof first) == 0);
    REQUIRE(sidelight_stream_push(a->stream, NULL, 0) == 0);
    REQUIRE(sidelight_stream_next(a->stream, &unit) == 1);
    REQUIRE(sidelight_stream_rewrite(a->stream, a->large, a->large_size, &a->file) == 0);
    new_stream(a);
    smallest_to_fail = PAYLOAD;
    exhaust(&(struct job){"sidelight_stream_push", push, new_stream}, a);
    exhaust(&(struct job){"sidelight_stream_*", through_stream, new_stream}, a);
    smallest_to_fail = LARGE;
    sidelight_stream_close(&a->stream);
    sidelight_buffer_unref(&a->file);
}

static void pictures(struct all *a)
{
    new_decoder(a);
    exhaust(&(struct job){"sidelight_decoder_filter", filter, new_decoder}, a);
    exhaust(&(struct job){"sidelight_decoder_filter_band", filter_band, new_decoder}, a);
    sidelight_decoder_close(&a->decoder);

    SidelightEncoderSettings settings = {0};
    settings.threads = 3;
    settings.steps = 1;
    REQUIRE(sidelight_encoder_open(&settings, &a->encoder) == 0);
    exhaust(&(struct job){"sidelight_encoder_encode", encode, drop_payload}, a);
    sidelight_encoder_close(&a->encoder);
}

int main(void)
{
    struct all a = {0};
    smallest_to_fail = LARGE;
    a.c = coded_new(SIDELIGHT_LAYOUT_I444, 1200, 70, 1, 15);
    a.c.params.slope_db_per_byte = 1e-6;
    a.out = frame_new(SIDELIGHT_LAYOUT_I444, 1200, 70, 0, 0);
    a.large_size = SIDELIGHT_MAX_PAYLOAD - 500;
    a.large = malloc(a.large_size);
    REQUIRE(a.large != NULL);
    memset(a.large, 1, a.large_size);

    /* The first round sets things up for good. The allocator's caches are off: run.sh. */
    size_t used = 0;
    for (int round = 0; round < 4; round++) {
        const size_t before = used;
        pictures(&a);
        /* It takes long. */
        if (round == 2) coefficients(&a, SIDELIGHT_LAYOUT_I444);
        if (round == 3) coefficients(&a, SIDELIGHT_LAYOUT_I400);
        jpeg(&a);
        stream(&a);
        used = mallinfo2().uordblks;
        if (round == 3)
            check_that(used <= before, __FILE__, __LINE__, "%zu bytes are lost", used - before);
    }

    free(a.large);
    frame_free(&a.out);
    coded_free(&a.c);
    return check_finish();
}
