/* A panic inside the library comes back as an error, and what it met can be used on. Needs the library
 * built with the feature `fault-injection`; the places are named in src. */
#include "check.h"
#include "coded.h"

#include <string.h>

enum { INTERNAL = SIDELIGHT_ERROR_INTERNAL };

static void fault_at(const char *place)
{
    REQUIRE(place ? setenv("SIDELIGHT_FAULT", place, 1) == 0 : unsetenv("SIDELIGHT_FAULT") == 0);
}

static char heard[300];

static void hear(void *user, uint32_t level, const char *message)
{
    (void)user;
    if (level == SIDELIGHT_LOG_LEVEL_ERROR) snprintf(heard, sizeof heard, "%s", message);
}

/* `call` under a fault in the function `name`, which its message tells. */
#define FAILS(name, call)                                                                          \
    do {                                                                                           \
        fault_at(name);                                                                            \
        heard[0] = '\0';                                                                           \
        CHECK_INT(call, INTERNAL);                                                                 \
        CHECK(!strncmp(heard, name ":", strlen(name) + 1));                                        \
        fault_at(NULL);                                                                            \
    } while (0)

struct all {
    struct coded c;
    struct frame out, expected;
    SidelightEncoder *encoder;
    SidelightDecoder *decoder;
    SidelightStream *stream;
    SidelightBuffer payload;
};

static int filter(struct all *a)
{
    frame_clear(&a->out);
    return sidelight_decoder_filter(a->decoder, &a->c.decoded.picture, &a->out.picture);
}

static int band(struct all *a)
{
    const uint32_t height = a->c.decoded.picture.height;
    frame_clear(&a->out);
    return sidelight_decoder_filter_band(a->decoder, &a->c.decoded.picture, &a->out.picture, 0, height);
}

static int set(struct all *a)
{
    return sidelight_decoder_set_payload(a->decoder, a->payload.data, a->payload.size, &a->c.params);
}

static int encode(struct all *a, SidelightBuffer *payload)
{
    return sidelight_encoder_encode(a->encoder, &a->c.original.picture, &a->c.decoded.picture, 1,
                                    &a->c.params, payload, NULL);
}

static void new_handles(struct all *a, uint32_t threads)
{
    SidelightEncoderSettings encoder = {0};
    encoder.threads = threads;
    encoder.steps = 3;
    SidelightDecoderSettings decoder = {0};
    decoder.threads = threads;
    SidelightStreamSettings stream = {0};
    stream.codec = SIDELIGHT_NAL_CODEC_HEVC;
    REQUIRE(sidelight_encoder_open(&encoder, &a->encoder) == 0);
    REQUIRE(sidelight_decoder_open(&decoder, &a->decoder) == 0);
    REQUIRE(sidelight_stream_open(&stream, &a->stream) == 0);
    REQUIRE(encode(a, &a->payload) == 0);
    REQUIRE(set(a) == SIDELIGHT_MODE_UPDATE);
    REQUIRE(filter(a) == 0);
    CHECK(!frame_equal(&a->out, &a->c.decoded, 0));
    frame_copy(&a->expected, &a->out);
}

static void close_handles(struct all *a)
{
    sidelight_encoder_close(&a->encoder);
    sidelight_decoder_close(&a->decoder);
    sidelight_stream_close(&a->stream);
    sidelight_buffer_unref(&a->payload);
}

/* In each function that can fail. */
static void functions(struct all *a)
{
    struct coded *c = &a->c;
    SidelightCodecParams params;
    SidelightBuffer out = {0};
    SidelightPayloadInfo info;
    SidelightAccessUnit unit;
    SidelightEncoder *encoder = NULL;
    SidelightDecoder *decoder = NULL;
    SidelightStream *stream = NULL;
    SidelightStreamSettings settings = {0};
    const SidelightCoefficients none = {0};
    settings.codec = SIDELIGHT_NAL_CODEC_HEVC;
    FAILS("sidelight_set_cpu_level", sidelight_set_cpu_level(SIDELIGHT_CPU_LEVEL_BEST));
    FAILS("sidelight_jpeg_read", sidelight_jpeg_read(c->jpeg, c->jpeg_size, &params, NULL));
    FAILS("sidelight_jpeg_rewrite", sidelight_jpeg_rewrite(c->jpeg, c->jpeg_size, NULL, 0, &out));
    FAILS("sidelight_stream_open", sidelight_stream_open(&settings, &stream));
    FAILS("sidelight_stream_push", sidelight_stream_push(a->stream, c->jpeg, 4));
    FAILS("sidelight_stream_next", sidelight_stream_next(a->stream, &unit));
    FAILS("sidelight_stream_rewrite", sidelight_stream_rewrite(a->stream, NULL, 0, &out));
    FAILS("sidelight_payload_bind",
          sidelight_payload_bind(a->payload.data, a->payload.size, &c->decoded.picture));
    FAILS("sidelight_payload_probe",
          sidelight_payload_probe(a->payload.data, a->payload.size, &info));
    FAILS("sidelight_encoder_open", sidelight_encoder_open(NULL, &encoder));
    FAILS("sidelight_encoder_encode", encode(a, &out));
    FAILS("sidelight_jpeg_optimise",
          sidelight_jpeg_optimise(NULL, &c->original.picture, &c->params, NULL, 0, &none, NULL));
    FAILS("sidelight_jpeg_targets",
          sidelight_jpeg_targets(NULL, &c->original.picture, &c->params, NULL, 0, &none, NULL));
    FAILS("sidelight_decoder_open", sidelight_decoder_open(NULL, &decoder));
    FAILS("sidelight_decoder_set_payload", set(a));
    FAILS("sidelight_decoder_set_sei",
          sidelight_decoder_set_sei(a->decoder, &c->decoded.picture, NULL, NULL, 0));
    FAILS("sidelight_decoder_set_mode", sidelight_decoder_set_mode(a->decoder, 0, NULL));
    FAILS("sidelight_decoder_filter", filter(a));
    FAILS("sidelight_decoder_filter_band", band(a));
    CHECK(!encoder && !decoder && !stream && !out.data);

    /* Those that return nothing do nothing then. */
    SidelightDecoder *open = a->decoder;
    fault_at("sidelight_decoder_close");
    sidelight_decoder_close(&a->decoder);
    CHECK(a->decoder == open);
    fault_at("sidelight_buffer_unref");
    sidelight_buffer_unref(&a->payload);
    CHECK(a->payload.data != NULL);
    fault_at(NULL);
}

/* Deep inside, on the caller's thread and on the library's. */
static void places(struct all *a)
{
    SidelightBuffer other = {0};
    fault_at("prepared");
    CHECK_INT(set(a), INTERNAL);
    CHECK_INT(encode(a, &other), INTERNAL);
    fault_at(NULL);
    CHECK_INT(filter(a), 0);
    CHECK(frame_equal(&a->out, &a->c.decoded, 0)); /* passes through */
    CHECK_INT(set(a), SIDELIGHT_MODE_UPDATE);

    fault_at("filter");
    CHECK_INT(filter(a), INTERNAL);
    CHECK_INT(band(a), INTERNAL);
    CHECK_INT(encode(a, &other), INTERNAL);
    fault_at("fine-tune");
    CHECK_INT(encode(a, &other), INTERNAL);
    CHECK(!other.data);
    fault_at(NULL);

    CHECK_INT(filter(a), 0);
    CHECK(frame_equal(&a->out, &a->expected, 0));
    CHECK_INT(band(a), 0);
    CHECK(frame_equal(&a->out, &a->expected, 0));
    CHECK_INT(encode(a, &other), 0);
    CHECK(other.size == a->payload.size && !memcmp(other.data, a->payload.data, other.size));
    sidelight_buffer_unref(&other);
}

int main(void)
{
    struct all a = {0};
    fault_at(NULL);
    sidelight_set_log_callback(hear, NULL);
    a.c = coded_new(SIDELIGHT_LAYOUT_I420, 64, 48, 1, 15);
    a.c.params.slope_db_per_byte = 1e-6;
    a.out = frame_new(SIDELIGHT_LAYOUT_I420, 64, 48, 0, 0);
    a.expected = frame_new(SIDELIGHT_LAYOUT_I420, 64, 48, 0, 0);
    for (uint32_t threads = 1; threads <= 3; threads += 2) {
        new_handles(&a, threads);
        functions(&a);
        places(&a);
        close_handles(&a);
    }
    frame_free(&a.out);
    frame_free(&a.expected);
    coded_free(&a.c);
    return check_finish();
}
