/* What the log callback is told of refused arguments: the function, the argument, its value, what it should
 * be. Each argument and each field of each function is here. */
#include "check.h"
#include "coded.h"

#include <math.h>
#include <string.h>

enum {
    INVALID = SIDELIGHT_ERROR_INVALID_ARGUMENT,
    UNSUPPORTED = SIDELIGHT_ERROR_UNSUPPORTED,
    TOO_LARGE = SIDELIGHT_ERROR_TOO_LARGE,
    WIDTH = 40,
    HEIGHT = 22
};

static char heard[2000];
static int messages;

static void hear(void *user, uint32_t level, const char *message)
{
    (void)user;
    if (level == SIDELIGHT_LOG_LEVEL_INFO) return;
    CHECK_INT(level, SIDELIGHT_LOG_LEVEL_ERROR);
    messages++;
    snprintf(heard, sizeof heard, "%s", message);
}

/* Whether a call had this result and the one message: its function, ": ", and `text` at the beginning. */
static void told(int rc, int want, const char *call, const char *text, int line)
{
    const size_t name = strcspn(call, "(");
    const bool starts = !strncmp(heard, call, name) && !strncmp(heard + name, ": ", 2) &&
                        !strncmp(heard + name + 2, text, strlen(text));
    check_that(rc == want, __FILE__, line, "%s: %d, not %d", call, rc, want);
    check_that(messages == 1 && starts, __FILE__, line, "%s: %d messages, \"%s\", not \"%s\"", call,
               messages, heard, text);
    messages = 0;
    heard[0] = '\0';
}

#define TOLD(call, want, text) TOLD_OF(call, want, text)
#define TOLD_OF(call, want, text)                                                                  \
    do {                                                                                           \
        const int result = (call);                                                                 \
        told(result, want, #call, text, __LINE__);                                                 \
    } while (0)

/* `statement`, then a call that is refused with `text`, then all as it was. */
#define WITH(variable, statement, call, want, text)                                                \
    do {                                                                                           \
        const __typeof__(variable) kept = variable;                                                \
        statement;                                                                                 \
        TOLD(call, want, text);                                                                    \
        variable = kept;                                                                           \
    } while (0)

static struct frame in, out;
static struct coded coded;
static SidelightDecoder *decoder;
static SidelightEncoder *encoder;

static void library(void)
{
    TOLD(sidelight_set_cpu_level(77), INVALID, "level is 77, no SidelightCpuLevel");
}

static void decoder_settings(void)
{
    SidelightDecoderSettings s = {0};
    SidelightDecoder *d = NULL;
    TOLD(sidelight_decoder_open(NULL, NULL), INVALID, "out is NULL");
#define OPEN(statement, text) WITH(s, statement, sidelight_decoder_open(&s, &d), INVALID, text)
    OPEN(s.threads = 257, "settings->threads is 257, not 0 to 256");
    OPEN(s.model_size = 4, "settings->model_size is 4, no SidelightModelSize");
    OPEN(s.reserved[0] = 1, "settings->reserved[0] is not zero");
    OPEN(s.reserved[14] = 1, "settings->reserved[14] is not zero");
#undef OPEN
    CHECK(d == NULL);
}

static void encoder_settings(void)
{
    SidelightEncoderSettings s = {0};
    SidelightEncoder *e = NULL;
    TOLD(sidelight_encoder_open(NULL, NULL), INVALID, "out is NULL");
#define OPEN(statement, text) WITH(s, statement, sidelight_encoder_open(&s, &e), INVALID, text)
    OPEN(s.threads = UINT32_MAX, "settings->threads is 4294967295, not 0 to 256");
    OPEN(s.steps = 100001, "settings->steps is 100001, not 0 to 100000");
    OPEN(s.model_size = 99, "settings->model_size is 99, no SidelightModelSize");
    OPEN(s.effort = 12, "settings->effort is 12, not 0 to 9");
    OPEN(s.effort = 256 + 5, "settings->effort is 261, not 0 to 9");
    OPEN(s.objective = 2, "settings->objective is 2, no SidelightObjective");
    OPEN(s.reserved[3] = 1, "settings->reserved[3] is not zero");
    OPEN(s.reserved[12] = 1, "settings->reserved[12] is not zero");
#undef OPEN
    CHECK(e == NULL);
}

/* A table of faults in a picture of 40 x 22 in 4:2:0, and what is said of each behind the picture's name. */
static const struct fault {
    const char *text;
    int want;
    void (*make)(SidelightPicture *p);
} *of_pictures(size_t *count);

#define FAULT(name, statement)                                                                     \
    static void name(SidelightPicture *p)                                                          \
    {                                                                                              \
        statement;                                                                                 \
    }
FAULT(layout, p->layout = 7)
FAULT(reserved, p->reserved[19] = 1)
FAULT(type, p->picture_type = 4)
FAULT(depth_0, p->bit_depth = 0)
FAULT(depth_9, p->bit_depth = 9)
FAULT(depth_17, p->bit_depth = 17)
FAULT(width_0, p->width = 0)
FAULT(width_large, p->width = 65536)
FAULT(height_0, p->height = 0)
FAULT(height_large, p->height = 65536)
FAULT(luma_null, p->data[0] = NULL)
FAULT(chroma_null, p->data[2] = NULL)
FAULT(stride_short, p->stride[0] = 39)
FAULT(stride_zero, p->stride[1] = 0)
FAULT(stride_negative, p->stride[2] = -20)
FAULT(stride_huge, p->stride[0] = PTRDIFF_MAX)
#undef FAULT

static const struct fault *of_pictures(size_t *count)
{
    static char huge[200];
    snprintf(huge, sizeof huge, "stride[0] is %td, which is more than fits in memory for 22 rows", PTRDIFF_MAX);
    static const struct fault faults[] = {
        {"layout is 7, no SidelightLayout", INVALID, layout},
        {"reserved[19] is not zero", INVALID, reserved},
        {"picture_type is 4, no SidelightPictureType", INVALID, type},
        {"bit_depth is 0, not 8, 10", INVALID, depth_0},
        {"bit_depth is 9, not 8, 10", UNSUPPORTED, depth_9},
        {"bit_depth is 17, not 8, 10", INVALID, depth_17},
        {"width is 0, not 1 to 65535", INVALID, width_0},
        {"width is 65536, not 1 to 65535", INVALID, width_large},
        {"height is 0, not 1 to 65535", INVALID, height_0},
        {"height is 65536, not 1 to 65535", INVALID, height_large},
        {"data[0] is NULL", INVALID, luma_null},
        {"data[2] is NULL", INVALID, chroma_null},
        {"stride[0] is 39, less than a row of 40 bytes", INVALID, stride_short},
        {"stride[1] is 0, less than a row of 20 bytes", INVALID, stride_zero},
        {"stride[2] is -20, negative", INVALID, stride_negative},
        {huge, INVALID, stride_huge},
    };
    *count = sizeof faults / sizeof *faults;
    return faults;
}

/* Each fault in `picture`, which the messages call `name`. */
#define EACH_FAULT(picture, name, call)                                                            \
    do {                                                                                           \
        size_t count;                                                                              \
        const struct fault *faults = of_pictures(&count);                                          \
        for (size_t i = 0; i < count; i++) {                                                       \
            char text[300];                                                                        \
            snprintf(text, sizeof text, "%s%s", name, faults[i].text);                             \
            WITH(picture, faults[i].make(&(picture)), call, faults[i].want, text);                 \
        }                                                                                          \
    } while (0)

/* What is wrong with pictures of 16-bit samples alone. */
#define EACH_WIDE_FAULT(picture, name, call)                                                       \
    do {                                                                                           \
        (picture).bit_depth = 10;                                                                  \
        WITH(picture, (picture).data[1] = (uint8_t *)(picture).data[1] + 1, call, INVALID,         \
             name "data[1] is odd, and samples have 2 bytes");                                     \
        WITH(picture, (picture).stride[0] = 81, call, INVALID,                                     \
             name "stride[0] is 81, odd, and samples have 2 bytes");                               \
        WITH(picture, (picture).stride[0] = 79, call, INVALID,                                     \
             name "stride[0] is 79, less than a row of 80 bytes");                                 \
    } while (0)

static void filters(void)
{
    SidelightPicture a = in.picture, b = out.picture;
    TOLD(sidelight_decoder_filter(NULL, &a, &b), INVALID, "decoder is NULL");
    TOLD(sidelight_decoder_filter(decoder, NULL, &b), INVALID, "in is NULL");
    TOLD(sidelight_decoder_filter(decoder, &a, NULL), INVALID, "out is NULL");
    TOLD(sidelight_decoder_filter_band(NULL, &a, &b, 0, 2), INVALID, "decoder is NULL");
    TOLD(sidelight_decoder_filter_band(decoder, NULL, &b, 0, 2), INVALID, "in is NULL");
    TOLD(sidelight_decoder_filter_band(decoder, &a, NULL, 0, 2), INVALID, "out is NULL");
    EACH_FAULT(a, "in->", sidelight_decoder_filter(decoder, &a, &b));
    EACH_FAULT(b, "out->", sidelight_decoder_filter(decoder, &a, &b));
    EACH_FAULT(a, "in->", sidelight_decoder_filter_band(decoder, &a, &b, 0, HEIGHT));
    EACH_FAULT(b, "out->", sidelight_decoder_filter_band(decoder, &a, &b, 0, HEIGHT));

#define DIFFER(statement, text)                                                                    \
    WITH(b, statement, sidelight_decoder_filter(decoder, &a, &b), INVALID, text);                  \
    WITH(b, statement, sidelight_decoder_filter_band(decoder, &a, &b, 0, 2), INVALID, text)
    DIFFER(b.width = 39, "in->width is 40, out->width is 39: they are to be the same");
    DIFFER(b.height = 21, "in->height is 22, out->height is 21: they are to be the same");
    DIFFER(b.layout = SIDELIGHT_LAYOUT_I444, "in->layout is 1, out->layout is 3: they are to be the same");
    DIFFER(b.bit_depth = 17, "out->bit_depth is 17, not 8, 10, 12 or 16");
    DIFFER((b.width = 5, b.height = 6), "in->width is 40, out->width is 5: they are to be the same; "
                                        "in->height is 22, out->height is 6: they are to be the same");
    DIFFER(b.data[0] = a.data[0], "in->data[0] and out->data[0] are the same");
    DIFFER(b.data[2] = a.data[2], "in->data[2] and out->data[2] are the same");
#undef DIFFER

#define BAND(first, end, text)                                                                     \
    TOLD(sidelight_decoder_filter_band(decoder, &a, &b, first, end), INVALID, text)
    BAND(3, 8, "first_row is 3, not even");
    BAND(8, 2, "first_row is 8, above end_row, which is 2");
    BAND(0, 24, "end_row is 24, above out->height, which is 22");
    BAND(0, 7, "end_row is 7, neither even nor out->height, which is 22");
#undef BAND

    WITH(a, a.bit_depth = 16, sidelight_decoder_filter(decoder, &a, &b), UNSUPPORTED,
         "in->bit_depth is 16, not 8, 10 or 12");
    WITH(a, a.bit_depth = 10, sidelight_decoder_filter(decoder, &a, &b), INVALID,
         "in->bit_depth is 10, out->bit_depth is 8: it is not to be less");

    /* Nothing of it is read: the call is refused before. */
    a.stride[0] = a.stride[1] = a.stride[2] = 80;
    b.stride[0] = b.stride[1] = b.stride[2] = 80;
    b.bit_depth = 10;
    EACH_WIDE_FAULT(a, "in->", sidelight_decoder_filter(decoder, &a, &b));
    EACH_WIDE_FAULT(b, "out->", sidelight_decoder_filter(decoder, &a, &b));
    CHECK(frame_is_clear(&out));
}

/* Each fault in codec parameters, which `call` gets as `p`. */
#define EACH_PARAM(call)                                                                           \
    do {                                                                                           \
        WITH(p, p.codec = 0, call, INVALID, "params->codec is 0, no SidelightCodec");              \
        WITH(p, p.codec = 3, call, UNSUPPORTED, "params->codec is 3, a SidelightCodec of no");     \
        WITH(p, p.quant[0][0] = 0, call, INVALID, "params->quant[0][0] is 0, not 1 to 65535");     \
        WITH(p, p.quant[0][63] = 0, call, INVALID, "params->quant[0][63] is 0, not 1 to 65535");   \
        WITH(p, p.quant[1][5] = 9, call, INVALID, "params->quant[1][0] is 0, not 1 to 65535");     \
        WITH(p, (memcpy(p.quant[1], p.quant[0], sizeof p.quant[0]), p.quant[1][17] = 0), call,     \
             INVALID, "params->quant[1][17] is 0, not 1 to 65535");                                \
        WITH(p, p.reserved[60] = 1, call, INVALID, "params->reserved[60] is not zero");            \
        WITH(p, (p.codec = SIDELIGHT_CODEC_HEVC, p.qp[0] = 52), call, INVALID,                     \
             "params->qp[0] is 52, not 0 to 51");                                                  \
        WITH(p, (p.codec = SIDELIGHT_CODEC_HEVC, p.qp[2] = 255), call, INVALID,                    \
             "params->qp[2] is 255, not 0 to 51");                                                 \
    } while (0)

static void setting(void)
{
    SidelightCodecParams p = plain_params();
    static const uint8_t bytes[8] = {0};
    TOLD(sidelight_decoder_set_payload(NULL, bytes, 8, &p), INVALID, "decoder is NULL");
    TOLD(sidelight_decoder_set_payload(decoder, NULL, 8, &p), INVALID, "payload is NULL, but size is 8");
    TOLD(sidelight_decoder_set_payload(decoder, bytes, SIZE_MAX, &p), INVALID,
         "size is 18446744073709551615, more than fits in memory");
    TOLD(sidelight_decoder_set_payload(decoder, bytes, 8, NULL), INVALID, "params is NULL");
    EACH_PARAM(sidelight_decoder_set_payload(decoder, bytes, 8, &p));

    TOLD(sidelight_decoder_set_strength(NULL, 1), INVALID, "decoder is NULL");
    TOLD(sidelight_decoder_set_strength(decoder, 65), INVALID, "strength is 65, not 0 to 64");
    TOLD(sidelight_decoder_set_strength(decoder, UINT32_MAX), INVALID,
         "strength is 4294967295, not 0 to 64");
    TOLD(sidelight_decoder_set_strength(decoder, 256 + 9), INVALID, "strength is 265, not 0 to 64");
    TOLD(sidelight_decoder_set_mode(NULL, SIDELIGHT_MODE_OFF, &p), INVALID, "decoder is NULL");
    TOLD(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_UPDATE, &p), INVALID,
         "mode is SIDELIGHT_MODE_UPDATE, which takes a payload");
    TOLD(sidelight_decoder_set_mode(decoder, 5, &p), INVALID, "mode is 5, no SidelightMode");
    TOLD(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, NULL), INVALID, "params is NULL");
    EACH_PARAM(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &p));
}

static void messages_of_video(void)
{
    SidelightPicture a = in.picture;
    const uint8_t *const list[] = {SIDELIGHT_SEI_UUID, NULL};
    const size_t sizes[] = {16, 3}, huge[] = {16, SIZE_MAX};
    const uint8_t *const there[] = {SIDELIGHT_SEI_UUID, SIDELIGHT_SEI_UUID};
    TOLD(sidelight_decoder_set_sei(NULL, &a, list, sizes, 1), INVALID, "decoder is NULL");
    TOLD(sidelight_decoder_set_sei(decoder, NULL, list, sizes, 1), INVALID, "picture is NULL");
    TOLD(sidelight_decoder_set_sei(decoder, &a, NULL, sizes, 1), INVALID, "messages is NULL, but count is 1");
    TOLD(sidelight_decoder_set_sei(decoder, &a, list, NULL, 2), INVALID, "sizes is NULL, but count is 2");
    TOLD(sidelight_decoder_set_sei(decoder, &a, list, sizes, SIZE_MAX), INVALID,
         "count is 18446744073709551615, more than fits in memory");
    TOLD(sidelight_decoder_set_sei(decoder, &a, list, sizes, 2), INVALID,
         "messages[1] is NULL, but sizes[1] is 3");
    TOLD(sidelight_decoder_set_sei(decoder, &a, there, huge, 2), INVALID,
         "sizes[1] is 18446744073709551615, more than fits in memory");
    EACH_FAULT(a, "picture->", sidelight_decoder_set_sei(decoder, &a, list, sizes, 1));
    a.stride[0] = a.stride[1] = a.stride[2] = 80;
    EACH_WIDE_FAULT(a, "picture->", sidelight_decoder_set_sei(decoder, &a, list, sizes, 1));
}

static void encoding(void)
{
    const SidelightBuffer untouched = {(uint8_t *)1, 77};
    SidelightBuffer payload = untouched;
    SidelightCodecParams p = plain_params(), hevc = {.codec = SIDELIGHT_CODEC_HEVC, .qp = {30, 30, 30}};
    SidelightPicture o = in.picture, d = out.picture;
#define ENCODE(e, original, decoded, count, params, payload)                                       \
    sidelight_encoder_encode(e, original, decoded, count, params, payload, NULL)
    TOLD(ENCODE(NULL, &o, &d, 1, &p, &payload), INVALID, "encoder is NULL");
    TOLD(ENCODE(encoder, NULL, &d, 1, &p, &payload), INVALID, "original is NULL, but count is 1");
    TOLD(ENCODE(encoder, &o, NULL, 1, &p, &payload), INVALID, "decoded is NULL, but count is 1");
    TOLD(ENCODE(encoder, &o, &d, 0, &p, &payload), INVALID, "count is 0, not 1 to 4096");
    TOLD(ENCODE(encoder, &o, &d, 4097, &p, &payload), INVALID, "count is 4097, not 1 to 4096");
    TOLD(ENCODE(encoder, &o, &d, 1, NULL, &payload), INVALID, "params is NULL");
    TOLD(ENCODE(encoder, &o, &d, 1, &p, NULL), INVALID, "payload is NULL");
#undef ENCODE
#define ENCODE sidelight_encoder_encode(encoder, &o, &d, 1, &p, &payload, NULL)
    EACH_PARAM(ENCODE);
    WITH(p, p.slope_db_per_byte = -1, ENCODE, INVALID, "params->slope_db_per_byte is -1, negative");
    WITH(p, p.slope_db_per_byte = INFINITY, ENCODE, INVALID, "params->slope_db_per_byte is inf, not finite");
    WITH(p, p.slope_db_per_byte = NAN, ENCODE, INVALID, "params->slope_db_per_byte is NaN, not finite");
    EACH_FAULT(o, "original[0].", ENCODE);
    EACH_FAULT(d, "decoded[0].", ENCODE);
    WITH(o, o.width = 38, ENCODE, INVALID, "original[0].width is 38, decoded[0].width is 40: they are to be");
    o.bit_depth = d.bit_depth = 10;
    for (int i = 0; i < 3; i++) o.stride[i] = d.stride[i] = 80;
    EACH_WIDE_FAULT(o, "original[0].", ENCODE);
    EACH_WIDE_FAULT(d, "decoded[0].", ENCODE);
#undef ENCODE

    SidelightPicture os[4], ds[4];
    for (int i = 0; i < 4; i++) os[i] = in.picture, ds[i] = out.picture;
#define ENCODE(params) sidelight_encoder_encode(encoder, os, ds, 4, params, &payload, NULL)
    TOLD(ENCODE(&p), INVALID, "count is 4, for JPEG not 1");
    EACH_FAULT(os[3], "original[3].", ENCODE(&hevc));
    EACH_FAULT(ds[2], "decoded[2].", ENCODE(&hevc));
    WITH(os[3], os[3].height = 8, ENCODE(&hevc), INVALID,
         "original[3].height is 8, decoded[3].height is 22: they are to be the same");
    os[1].width = ds[1].width = 16;
    TOLD(ENCODE(&hevc), INVALID, "decoded[1].width is 16, decoded[0].width is 40: they are to be the same");
#undef ENCODE
    CHECK(payload.data == untouched.data && payload.size == untouched.size);
}

static void payloads(void)
{
    SidelightPicture a = in.picture;
    SidelightPayloadInfo info;
    uint8_t bytes[8] = {0};
    TOLD(sidelight_payload_bind(NULL, 8, &a), INVALID, "payload is NULL");
    TOLD(sidelight_payload_bind(bytes, SIZE_MAX, &a), INVALID,
         "size is 18446744073709551615, more than fits in memory");
    TOLD(sidelight_payload_bind(bytes, 8, NULL), INVALID, "carrier is NULL");
    EACH_FAULT(a, "carrier->", sidelight_payload_bind(bytes, 8, &a));
    a.stride[0] = a.stride[1] = a.stride[2] = 80;
    EACH_WIDE_FAULT(a, "carrier->", sidelight_payload_bind(bytes, 8, &a));

    TOLD(sidelight_payload_probe(NULL, 8, &info), INVALID, "payload is NULL, but size is 8");
    TOLD(sidelight_payload_probe(bytes, SIZE_MAX, &info), INVALID,
         "size is 18446744073709551615, more than fits in memory");
    TOLD(sidelight_payload_probe(bytes, 8, NULL), INVALID, "info is NULL");
}

static void jpeg(void)
{
    SidelightCodecParams p;
    SidelightBuffer b = {0};
    const uint8_t *file = coded.jpeg;
    const size_t size = coded.jpeg_size;
    TOLD(sidelight_jpeg_read(NULL, 5, &p, &b), INVALID, "jpeg is NULL, but size is 5");
    TOLD(sidelight_jpeg_read(file, SIZE_MAX, &p, &b), INVALID,
         "size is 18446744073709551615, more than fits in memory");
    TOLD(sidelight_jpeg_read(file, size, NULL, NULL), INVALID, "params and payload are both NULL");

    uint8_t *payload = calloc(SIDELIGHT_MAX_PAYLOAD + 1, 1);
    REQUIRE(payload != NULL);
    TOLD(sidelight_jpeg_rewrite(NULL, 5, payload, 3, &b), INVALID, "jpeg is NULL, but size is 5");
    TOLD(sidelight_jpeg_rewrite(file, SIZE_MAX, payload, 3, &b), INVALID,
         "size is 18446744073709551615, more than fits in memory");
    TOLD(sidelight_jpeg_rewrite(file, size, NULL, 3, &b), INVALID, "payload is NULL, but payload_size is 3");
    TOLD(sidelight_jpeg_rewrite(file, size, payload, 0, &b), INVALID,
         "payload_size is 0, but payload is not NULL");
    TOLD(sidelight_jpeg_rewrite(file, size, payload, SIZE_MAX, &b), INVALID,
         "payload_size is 18446744073709551615, more than fits in memory");
    TOLD(sidelight_jpeg_rewrite(file, size, payload, SIDELIGHT_MAX_PAYLOAD + 1, &b), TOO_LARGE,
         "payload_size is 65527, more than 65526");
    TOLD(sidelight_jpeg_rewrite(file, size, payload, 3, NULL), INVALID, "out is NULL");
    TOLD(sidelight_jpeg_rewrite_anyway(NULL, 5, payload, 3, &b), INVALID, "jpeg is NULL, but size is 5");
    TOLD(sidelight_jpeg_rewrite_anyway(file, SIZE_MAX, payload, 3, &b), INVALID,
         "size is 18446744073709551615, more than fits in memory");
    TOLD(sidelight_jpeg_rewrite_anyway(file, size, NULL, 3, &b), INVALID, "payload is NULL, but payload_size is 3");
    TOLD(sidelight_jpeg_rewrite_anyway(file, size, payload, 0, &b), INVALID,
         "payload_size is 0, but payload is not NULL");
    TOLD(sidelight_jpeg_rewrite_anyway(file, size, payload, SIZE_MAX, &b), INVALID,
         "payload_size is 18446744073709551615, more than fits in memory");
    TOLD(sidelight_jpeg_rewrite_anyway(file, size, payload, SIDELIGHT_MAX_PAYLOAD + 1, &b), TOO_LARGE,
         "payload_size is 65527, more than 65526");
    TOLD(sidelight_jpeg_rewrite_anyway(file, size, payload, 3, NULL), INVALID, "out is NULL");

    /* Why a file is not supported. */
    uint8_t *other = malloc(size);
    REQUIRE(other != NULL);
    memcpy(other, file, size);
    size_t sof = 2;
    while (other[sof] != 0xFF || other[sof + 1] != 0xC0) sof++;
    static const struct {
        uint8_t code;
        const char *text;
    } kinds[] = {{0xC3, "lossless coding"}, {0xC5, "hierarchical coding"}, {0xC9, "arithmetic coding"},
                 {0xCA, "arithmetic coding"}, {0xCB, "lossless coding"}, {0xCF, "hierarchical coding"},
                 {0xDE, "hierarchical coding"}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        other[sof + 1] = kinds[i].code;
        TOLD(sidelight_jpeg_read(other, size, &p, NULL), UNSUPPORTED, kinds[i].text);
    }
    other[sof + 1] = 0xC1;
    other[sof + 4] = 12;
    TOLD(sidelight_jpeg_read(other, size, &p, NULL), UNSUPPORTED, "samples of more than 8 bits");
    other[sof + 4] = 8;
    other[sof + 5] = other[sof + 6] = 0;
    TOLD(sidelight_jpeg_read(other, size, &p, NULL), UNSUPPORTED, "the height stands behind the first scan");
    free(other);

#define CHECK_PLANES sidelight_jpeg_check_planes(file, size, &d)
    SidelightPicture d = coded.decoded.picture;
    d.layout = SIDELIGHT_LAYOUT_I400;
    CHECK_INT(CHECK_PLANES, 0);
    TOLD(sidelight_jpeg_check_planes(NULL, 5, &d), INVALID, "jpeg is NULL, but size is 5");
    TOLD(sidelight_jpeg_check_planes(file, size, NULL), INVALID, "decoded is NULL");
    WITH(d, d.width--, CHECK_PLANES, INVALID, "decoded's planes are not of the file's sizes");
    WITH(d, d.bit_depth = 10; d.stride[0] = 1000, CHECK_PLANES, INVALID, "decoded->bit_depth is 10, not 8");
    WITH(d, d.data[0] = NULL, CHECK_PLANES, INVALID, "decoded->data[0] is NULL");
    WITH(d, d.reserved[0] = 1, CHECK_PLANES, INVALID, "decoded->reserved[0] is not zero");
#undef CHECK_PLANES
    free(payload);
    CHECK(b.data == NULL);
}

static void optimising(void)
{
    /* 5 x 3 and 3 x 2 blocks. */
    enum { ROW = 5 * 128, CHROMA_ROW = 3 * 128 };
    static int16_t blocks[3][5 * 3 * 64];
    static int16_t kept[3][5 * 3 * 64];
    SidelightOptimiseSettings s = {0};
    SidelightOptimiseReport report, untouched;
    SidelightPicture o = in.picture;
    SidelightCodecParams p = plain_params();
    SidelightCoefficients c = {.blocks = {blocks[0], blocks[1], blocks[2]},
                               .stride = {ROW, CHROMA_ROW, CHROMA_ROW}};
    for (int i = 0; i < 3; i++) memset(blocks[i], 1, sizeof blocks[i]);
    memcpy(kept, blocks, sizeof kept);
    memset(&untouched, 0x5A, sizeof untouched);
    report = untouched;
    s.effort = 1;
    s.threads = 1;

#define OPTIMISE(payload, size) sidelight_jpeg_optimise(&s, &o, &p, payload, size, &c, &report)
#define CALL OPTIMISE(NULL, 0)
    TOLD(sidelight_jpeg_optimise(NULL, NULL, &p, NULL, 0, &c, &report), INVALID, "original is NULL");
    TOLD(sidelight_jpeg_optimise(NULL, &o, NULL, NULL, 0, &c, &report), INVALID, "params is NULL");
    TOLD(sidelight_jpeg_optimise(NULL, &o, &p, NULL, 0, NULL, &report), INVALID, "coefficients is NULL");

#define SETTING(statement, text) WITH(s, statement, CALL, INVALID, text)
    SETTING(s.threads = 257, "settings->threads is 257, not 0 to 256");
    SETTING(s.effort = 10, "settings->effort is 10, not 0 to 9");
    SETTING(s.effort = 256 + 5, "settings->effort is 261, not 0 to 9");
    SETTING(s.model_size = 4, "settings->model_size is 4, no SidelightModelSize");
    SETTING(s.reserved[0] = 1, "settings->reserved[0] is not zero");
    SETTING(s.reserved[11] = 1, "settings->reserved[11] is not zero");
    SETTING(s.strength = 0.049, "settings->strength is 0.049, not 0 or 0.05 to 20");
    SETTING(s.strength = 20.5, "settings->strength is 20.5, not 0 or 0.05 to 20");
    SETTING(s.strength = -1, "settings->strength is -1, not 0 or 0.05 to 20");
    SETTING(s.strength = INFINITY, "settings->strength is inf, not 0 or 0.05 to 20");
    SETTING(s.strength = NAN, "settings->strength is NaN, not 0 or 0.05 to 20");
    SETTING(s.decoded_weight = 100.5, "settings->decoded_weight is 100.5, not up to 100");
    SETTING(s.decoded_weight = INFINITY, "settings->decoded_weight is inf, not up to 100");
    SETTING(s.decoded_weight = NAN, "settings->decoded_weight is NaN, not up to 100");
#undef SETTING

    EACH_FAULT(o, "original->", CALL);
    WITH(o, o.bit_depth = 10, CALL, INVALID, "original->bit_depth is 10, not 8");
    WITH(o, o.bit_depth = 12, CALL, INVALID, "original->bit_depth is 12, not 8");
    EACH_PARAM(CALL);
    WITH(p, (p.codec = SIDELIGHT_CODEC_HEVC, p.qp[0] = 30), CALL, INVALID,
         "params->codec is 2, not SIDELIGHT_CODEC_JPEG");

    uint8_t payload[8] = {0};
    payload_repair(payload, sizeof payload, 0);
    TOLD(OPTIMISE(NULL, 8), INVALID, "payload is NULL, but payload_size is 8");
    TOLD(OPTIMISE(payload, SIZE_MAX), INVALID,
         "payload_size is 18446744073709551615, more than fits in memory");
    TOLD(OPTIMISE(payload, sizeof payload), INVALID, "payload's mode is SIDELIGHT_MODE_OFF");
    TOLD(OPTIMISE(payload, 0), SIDELIGHT_ERROR_CORRUPT, "");
    TOLD(OPTIMISE(payload, 7), SIDELIGHT_ERROR_CORRUPT, "");
    payload[1] ^= 1;
    TOLD(OPTIMISE(payload, sizeof payload), SIDELIGHT_ERROR_CORRUPT, "");
    payload[0] = 0x13;
    payload_repair(payload, sizeof payload, 0);
    TOLD(OPTIMISE(payload, sizeof payload), UNSUPPORTED, "");
    uint8_t *large = calloc(SIDELIGHT_MAX_PAYLOAD + 1, 1);
    REQUIRE(large != NULL);
    TOLD(OPTIMISE(large, SIDELIGHT_MAX_PAYLOAD + 1), TOO_LARGE, "");
    free(large);

#define COEFFICIENTS(statement, text) WITH(c, statement, CALL, INVALID, text)
    COEFFICIENTS(c.reserved[0] = 1, "coefficients->reserved[0] is not zero");
    COEFFICIENTS(c.reserved[3] = 1, "coefficients->reserved[3] is not zero");
    COEFFICIENTS(c.blocks[0] = NULL, "coefficients->blocks[0] is NULL");
    COEFFICIENTS(c.blocks[2] = NULL, "coefficients->blocks[2] is NULL");
    COEFFICIENTS(c.blocks[1] = (int16_t *)((uintptr_t)blocks[1] + 1), "coefficients->blocks[1] is odd");
    COEFFICIENTS(c.stride[0] = ROW - 2, "coefficients->stride[0] is 638, less than a row of 640 bytes");
    COEFFICIENTS(c.stride[2] = 0, "coefficients->stride[2] is 0, less than a row of 384 bytes");
    COEFFICIENTS(c.stride[1] = -CHROMA_ROW, "coefficients->stride[1] is -384, negative");
    COEFFICIENTS(c.stride[0] = PTRDIFF_MIN, "coefficients->stride[0] is -9223372036854775808, negative");
    COEFFICIENTS(c.stride[1] = CHROMA_ROW + 1, "coefficients->stride[1] is 385, odd");
    COEFFICIENTS(c.stride[0] = PTRDIFF_MAX - 1,
                 "coefficients->stride[0] is 9223372036854775806, which is more than fits in memory for 3 rows");
#undef COEFFICIENTS

    static const struct {
        int plane, column, row, k;
        int16_t value;
        bool refused;
    } values[] = {{0, 4, 2, 0, 1024, true},   {0, 4, 2, 0, -1025, true}, {0, 0, 0, 63, 1024, true},
                  {1, 2, 1, 1, -1024, true},  {2, 1, 0, 8, 32767, true}, {2, 0, 1, 9, -32768, true},
                  {0, 4, 2, 0, 1023, false},  {1, 2, 1, 0, -1024, false}, {2, 0, 0, 63, -1023, false},
                  {2, 2, 1, 1, 1023, false}};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[200];
        int16_t *at = &blocks[values[i].plane][(values[i].row * (values[i].plane ? 3 : 5) + values[i].column) * 64 +
                                               values[i].k];
        snprintf(text, sizeof text, "coefficients->blocks[%d]: block %d of row %d has a value out of range",
                 values[i].plane, values[i].column, values[i].row);
        const int16_t before = *at;
        *at = values[i].value;
        if (values[i].refused) {
            TOLD(CALL, INVALID, text);
        } else {
            int16_t mine[3][5 * 3 * 64];
            memcpy(mine, blocks, sizeof mine);
            CHECK_INT(CALL, 0);
            CHECK_INT(messages, 0);
            memcpy(blocks, mine, sizeof mine);
            report = untouched;
        }
        *at = before;
    }
    /* Chroma of gray pictures is not looked at. */
    o.layout = SIDELIGHT_LAYOUT_I400;
    c.blocks[1] = c.blocks[2] = NULL;
    c.stride[1] = -1;
    CHECK(!memcmp(kept, blocks, sizeof kept) && !memcmp(&report, &untouched, sizeof report));
    CHECK_INT(CALL, 0);
    CHECK_INT(messages, 0);
    CHECK(!memcmp(kept[1], blocks[1], sizeof kept[1]));
#undef CALL
#undef OPTIMISE

    static float values_of[3 * 5 * 3 * 64];
    const SidelightCoefficients right = {.blocks = {blocks[0]}, .stride = {ROW}};
    SidelightTargets t = {.target = {values_of}};
    values_of[0] = -7;
#define CALL sidelight_jpeg_targets(&s, &o, &p, NULL, 0, &c, &t)
    c = right;
    TOLD(sidelight_jpeg_targets(&s, &o, &p, NULL, 0, &c, NULL), INVALID, "targets is NULL");
    TOLD(sidelight_jpeg_targets(&s, NULL, &p, NULL, 0, &c, &t), INVALID, "original is NULL");
    TOLD(sidelight_jpeg_targets(&s, &o, NULL, NULL, 0, &c, &t), INVALID, "params is NULL");
    TOLD(sidelight_jpeg_targets(&s, &o, &p, NULL, 0, NULL, &t), INVALID, "coefficients is NULL");
    TOLD(sidelight_jpeg_targets(&s, &o, &p, NULL, 8, &c, &t), INVALID, "payload is NULL, but payload_size is 8");
    WITH(s, s.threads = 257, CALL, INVALID, "settings->threads is 257, not 0 to 256");
    WITH(c, c.stride[0] = ROW + 1, CALL, INVALID, "coefficients->stride[0] is 641, odd");
    WITH(t, t.reserved[3] = 1, CALL, INVALID, "targets->reserved[3] is not zero");
    WITH(t, t.target[0] = (float *)((uintptr_t)values_of + 2), CALL, INVALID,
         "targets->target[0] is not aligned to 4");
    WITH(t, t.error[2] = (float *)((uintptr_t)values_of + 1), CALL, INVALID,
         "targets->error[2] is not aligned to 4");
    CHECK(values_of[0] == -7);
    CHECK_INT(CALL, 1);
    CHECK_INT(messages, 0);
    CHECK(values_of[0] != -7 && values_of[5 * 3 * 64 - 1] != 0 && values_of[5 * 3 * 64] == 0);
#undef CALL
}

static void streams(void)
{
    SidelightStreamSettings s = {.codec = SIDELIGHT_NAL_CODEC_HEVC, .length_bytes = 4};
    SidelightStream *stream = NULL;
    TOLD(sidelight_stream_open(NULL, &stream), INVALID, "settings is NULL");
    TOLD(sidelight_stream_open(&s, NULL), INVALID, "out is NULL");
#define OPEN(statement, text) WITH(s, statement, sidelight_stream_open(&s, &stream), INVALID, text)
    OPEN(s.codec = 0, "settings->codec is 0, no SidelightNalCodec");
    OPEN(s.codec = 4, "settings->codec is 4, no SidelightNalCodec");
    OPEN(s.length_bytes = 3, "settings->length_bytes is 3, not 0, 1, 2 or 4");
    OPEN(s.length_bytes = 256 + 4, "settings->length_bytes is 260, not 0, 1, 2 or 4");
    OPEN(s.reserved[6] = 1, "settings->reserved[6] is not zero");
#undef OPEN
    CHECK(stream == NULL);
    REQUIRE(sidelight_stream_open(&s, &stream) == 0);

    static const uint8_t sample[] = {0, 0, 0, 4, 19 << 1, 1, 0x80, 0xAA}, delimiter[] = {0, 0, 0, 3, 70, 1, 16};
    SidelightAccessUnit unit;
    SidelightBuffer b = {0};
    uint8_t *payload = calloc(SIDELIGHT_MAX_PAYLOAD + 1, 1);
    REQUIRE(payload != NULL);
    TOLD(sidelight_stream_push(NULL, sample, 4), INVALID, "stream is NULL");
    TOLD(sidelight_stream_push(stream, NULL, 4), INVALID, "data is NULL, but size is 4");
    TOLD(sidelight_stream_push(stream, sample, SIZE_MAX), INVALID,
         "size is 18446744073709551615, more than fits in memory");
    TOLD(sidelight_stream_next(NULL, &unit), INVALID, "stream is NULL");
    TOLD(sidelight_stream_next(stream, NULL), INVALID, "unit is NULL");
    TOLD(sidelight_stream_rewrite(stream, payload, 1, &b), INVALID, "stream has no unit");

    REQUIRE(sidelight_stream_push(stream, sample, sizeof sample) == 0);
    TOLD(sidelight_stream_push(stream, sample, sizeof sample), INVALID,
         "the sample or the end of the stream before this one was not taken");
    REQUIRE(sidelight_stream_next(stream, &unit) == 1);
    TOLD(sidelight_stream_rewrite(NULL, payload, 1, &b), INVALID, "stream is NULL");
    TOLD(sidelight_stream_rewrite(stream, NULL, 1, &b), INVALID, "payload is NULL, but size is 1");
    TOLD(sidelight_stream_rewrite(stream, payload, 0, &b), INVALID, "size is 0, but payload is not NULL");
    TOLD(sidelight_stream_rewrite(stream, payload, SIZE_MAX, &b), INVALID,
         "size is 18446744073709551615, more than fits in memory");
    TOLD(sidelight_stream_rewrite(stream, payload, SIDELIGHT_MAX_PAYLOAD + 1, &b), TOO_LARGE,
         "size is 65527, more than 65526");
    TOLD(sidelight_stream_rewrite(stream, payload, 1, NULL), INVALID, "out is NULL");

    REQUIRE(sidelight_stream_push(stream, delimiter, sizeof delimiter) == 0);
    REQUIRE(sidelight_stream_next(stream, &unit) == 1);
    TOLD(sidelight_stream_rewrite(stream, payload, 1, &b), INVALID,
         "the unit of stream has no picture to carry a payload for");
    CHECK(b.data == NULL);
    free(payload);
    sidelight_stream_close(&stream);
}

/* What is allowed says nothing. */
static void silence(void)
{
    SidelightPicture a = in.picture, b = out.picture;
    SidelightBuffer none;
    CHECK_INT(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_OFF, NULL), 0);
    CHECK_INT(sidelight_decoder_filter(decoder, &a, &b), 0);
    CHECK_INT(sidelight_decoder_filter_band(decoder, &a, &b, 3, 3), 0);
    CHECK_INT(sidelight_decoder_set_sei(decoder, &a, NULL, NULL, 0), SIDELIGHT_ERROR_NO_PAYLOAD);
    CHECK_INT(sidelight_jpeg_read(coded.jpeg, coded.jpeg_size, NULL, &none), 0);
    CHECK(none.data == NULL && none.size == 0);
    sidelight_buffer_unref(NULL);
    sidelight_decoder_close(NULL);
    sidelight_encoder_close(NULL);
    sidelight_stream_close(NULL);
    CHECK_INT(messages, 0);
}

int main(void)
{
    SidelightEncoderSettings settings = {0};
    settings.steps = 1;
    in = frame_new(SIDELIGHT_LAYOUT_I420, WIDTH, HEIGHT, 0, 0);
    out = frame_new(SIDELIGHT_LAYOUT_I420, WIDTH, HEIGHT, 0, 0);
    frame_paint(&in, 1);
    coded = coded_new(SIDELIGHT_LAYOUT_I400, 16, 16, 1, 50);
    REQUIRE(sidelight_decoder_open(NULL, &decoder) == 0);
    REQUIRE(sidelight_encoder_open(&settings, &encoder) == 0);
    sidelight_set_log_callback(hear, NULL);
    library();
    decoder_settings();
    encoder_settings();
    filters();
    setting();
    messages_of_video();
    encoding();
    payloads();
    jpeg();
    optimising();
    streams();
    silence();
    sidelight_set_log_callback(NULL, NULL);
    sidelight_encoder_close(&encoder);
    sidelight_decoder_close(&decoder);
    coded_free(&coded);
    frame_free(&in);
    frame_free(&out);
    return check_finish();
}
