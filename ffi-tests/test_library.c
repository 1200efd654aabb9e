/* Version, error texts, log callback and CPU level. */
#include "check.h"
#include "coded.h"

#include <limits.h>
#include <string.h>

static void version(void)
{
    const uint32_t v = sidelight_version();
    CHECK_INT(v, SIDELIGHT_VERSION_MAJOR << 16 | SIDELIGHT_VERSION_MINOR << 8 |
                     SIDELIGHT_VERSION_PATCH);
    CHECK_INT(v, SIDELIGHT_VERSION);
    CHECK(v >> 24 == 0);
}

static void error_texts(void)
{
    static const int codes[] = {
        0,
        SIDELIGHT_ERROR_CONFLICT,
        SIDELIGHT_ERROR_NO_PAYLOAD,
        SIDELIGHT_ERROR_OUT_OF_MEMORY,
        SIDELIGHT_ERROR_UNKNOWN_MODEL,
        SIDELIGHT_ERROR_INVALID_ARGUMENT,
        SIDELIGHT_ERROR_TOO_LARGE,
        SIDELIGHT_ERROR_CORRUPT,
        SIDELIGHT_ERROR_UNSUPPORTED,
        SIDELIGHT_ERROR_STALE,
        SIDELIGHT_ERROR_INTERNAL,
        -3, /* unknown */
    };
    enum { N = sizeof codes / sizeof *codes };
    for (int i = 0; i < N; i++) {
        const char *text = sidelight_strerror(codes[i]);
        REQUIRE(text != NULL);
        CHECK(*text != '\0');
        CHECK(!strchr(text, '\n'));
        CHECK(text == sidelight_strerror(codes[i]));
        CHECK(i == 0 || codes[i] < 0);
        for (int j = 0; j < i; j++) CHECK(strcmp(text, sidelight_strerror(codes[j])) != 0);
    }
    const char *unknown = sidelight_strerror(-3);
    CHECK(!strcmp(unknown, sidelight_strerror(INT_MIN)));
    CHECK(!strcmp(unknown, sidelight_strerror(-1000)));
    CHECK(sidelight_strerror(INT_MAX) && *sidelight_strerror(INT_MAX));
}

struct heard {
    int count;
    uint32_t level;
    char text[200];
};

static void hear(void *user, uint32_t level, const char *message)
{
    struct heard *heard = user;
    heard->count++;
    heard->level = level;
    snprintf(heard->text, sizeof heard->text, "%s", message);
}

static void logging(void)
{
    struct heard heard = {0};
    SidelightCodecParams params;
    static const uint8_t junk[] = {1, 2, 3};

    CHECK(sidelight_jpeg_read(junk, sizeof junk, &params, NULL) < 0); /* no callback yet: silent */
    sidelight_set_log_callback(hear, &heard);
    CHECK_INT(sidelight_jpeg_read(junk, sizeof junk, &params, NULL), SIDELIGHT_ERROR_CORRUPT);
    CHECK_INT(heard.count, 1);
    CHECK_INT(heard.level, SIDELIGHT_LOG_LEVEL_ERROR);
    CHECK(strstr(heard.text, "sidelight_jpeg_read") != NULL);
    CHECK(strstr(heard.text, sidelight_strerror(SIDELIGHT_ERROR_CORRUPT)) != NULL);

    CHECK_INT(sidelight_decoder_open(NULL, NULL), SIDELIGHT_ERROR_INVALID_ARGUMENT);
    CHECK_INT(heard.count, 2);

    sidelight_set_log_callback(NULL, &heard);
    CHECK_INT(sidelight_jpeg_read(junk, sizeof junk, &params, NULL), SIDELIGHT_ERROR_CORRUPT);
    CHECK_INT(heard.count, 2);
}

static void cpu_level(void)
{
    CHECK_INT(sidelight_set_cpu_level(5), SIDELIGHT_ERROR_INVALID_ARGUMENT);
    CHECK_INT(sidelight_set_cpu_level(254), SIDELIGHT_ERROR_INVALID_ARGUMENT);
    CHECK_INT(sidelight_set_cpu_level(256), SIDELIGHT_ERROR_INVALID_ARGUMENT);
    CHECK_INT(sidelight_set_cpu_level(UINT32_MAX), SIDELIGHT_ERROR_INVALID_ARGUMENT);

    static const uint32_t levels[] = {SIDELIGHT_CPU_LEVEL_SCALAR, SIDELIGHT_CPU_LEVEL_SSE41,
                                      SIDELIGHT_CPU_LEVEL_AVX2, SIDELIGHT_CPU_LEVEL_AVXVNNI,
                                      SIDELIGHT_CPU_LEVEL_AVX512, SIDELIGHT_CPU_LEVEL_NEON,
                                      SIDELIGHT_CPU_LEVEL_DOTPROD, SIDELIGHT_CPU_LEVEL_SIMD128,
                                      SIDELIGHT_CPU_LEVEL_BEST};
    const SidelightCodecParams params = plain_params();
    struct frame in = frame_new(SIDELIGHT_LAYOUT_I400, 45, 38, 0, 0);
    struct frame out = frame_new(SIDELIGHT_LAYOUT_I400, 45, 38, 0, 0);
    struct frame first = frame_new(SIDELIGHT_LAYOUT_I400, 45, 38, 0, 0);
    frame_paint(&in, 1);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        CHECK_INT(sidelight_set_cpu_level(levels[i]), 0);
        SidelightDecoder *decoder = NULL;
        REQUIRE(sidelight_decoder_open(NULL, &decoder) == 0);
        CHECK_INT(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &params), 0);
        CHECK_INT(sidelight_decoder_filter(decoder, &in.picture, &out.picture), 0);
        if (i == 0) frame_copy(&first, &out);
        CHECK(frame_equal(&first, &out, 0));
        sidelight_decoder_close(&decoder);
    }
    CHECK(!frame_equal(&first, &in, 0));
    frame_free(&in);
    frame_free(&out);
    frame_free(&first);
}

int main(void)
{
    version();
    error_texts();
    logging();
    cpu_level();
    return check_finish();
}
