/* The main job in C11 alone, for any machine: what decoders show is what tests/data/decoded.txt has, and what the
 * encoder measures. With NO_FMA set the CPU is one without fused multiply-add: encoders and optimisers refuse. */
#include "check.h"
#include "coded.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static bool no_fma;

/* ---- The table ---- */

static const char *table;

/* The line's hash. */
static uint64_t expected(const char *line)
{
    const size_t length = strlen(line);
    FILE *in = fopen(table, "rb");
    REQUIRE(in != NULL);
    char text[200];
    uint64_t hash = 0;
    while (!hash && fgets(text, sizeof text, in))
        if (!strncmp(text, line, length)) hash = strtoull(text + length, NULL, 16);
    fclose(in);
    REQUIRE(hash != 0);
    return hash;
}

/* The table's picture. */
static void paint(struct frame *f)
{
    for (int p = 0; p < layout_planes(f->picture.layout); p++) {
        uint32_t columns, rows;
        layout_size(f->picture.layout, p, f->picture.width, f->picture.height, &columns, &rows);
        for (int y = 0; y < (int)rows; y++)
            for (int x = 0; x < (int)columns; x++) {
                const bool disc = (y - 7) * (y - 7) + (x - 20) * (x - 20) < 40;
                const int texture = (7 * x + 13 * y + 5 * p) % 11;
                const int value = 50 + 30 * p + 2 * x + (disc ? 70 : 0) + 4 * texture;
                frame_row(f, p, (uint32_t)y)[x] = (uint8_t)(value > 255 ? 255 : value);
            }
    }
}

/* FNV-1a over samples of two bytes. */
static uint64_t hash(const struct frame *f)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (int p = 0; p < layout_planes(f->picture.layout); p++) {
        uint32_t columns, rows;
        layout_size(f->picture.layout, p, f->picture.width, f->picture.height, &columns, &rows);
        for (uint32_t y = 0; y < rows; y++)
            for (uint32_t x = 0; x < columns; x++) {
                hash = (hash ^ frame_row(f, p, y)[x]) * 0x100000001B3u;
                hash *= 0x100000001B3u;
            }
    }
    return hash;
}

static SidelightCodecParams params_of(uint32_t codec)
{
    SidelightCodecParams params = {.codec = codec};
    if (codec == SIDELIGHT_CODEC_HEVC) {
        memcpy(params.qp, (const uint8_t[]){32, 35, 38}, sizeof params.qp);
        return params;
    }
    for (int i = 0; i < 64; i++) {
        params.quant[0][i] = 40;
        params.quant[1][i] = 50;
    }
    return params;
}

static void decoded_as_everywhere(void)
{
    static const char *const layouts[] = {"I400", "I420", "I422", "I444"};
    static const struct {
        uint32_t codec;
        const char *model;
    } models[] = {{SIDELIGHT_CODEC_JPEG, "310c126c"}, {SIDELIGHT_CODEC_HEVC, "37b71c94"}};
    for (int m = 0; m < 2; m++) {
        const SidelightCodecParams params = params_of(models[m].codec);
        SidelightDecoder *decoder = NULL;
        REQUIRE(sidelight_decoder_open(NULL, &decoder) == 0);
        CHECK_INT(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &params), 0);
        for (uint32_t layout = 0; layout < 4; layout++) {
            struct frame in = frame_new(layout, 53, 15, 0, 0), out = frame_new(layout, 53, 15, 7, 16);
            paint(&in);
            CHECK_INT(sidelight_decoder_filter(decoder, &in.picture, &out.picture), 0);
            CHECK(frame_guards_hold(&out));
            char line[100];
            snprintf(line, sizeof line, "%s Base %s 8->8 strength 64 Irap: ", models[m].model, layouts[layout]);
            const uint64_t found = hash(&out), want = expected(line);
            check_that(found == want, __FILE__, __LINE__, "%s%016" PRIx64 ", not %016" PRIx64, line, found, want);
            frame_free(&in);
            frame_free(&out);
        }
        sidelight_decoder_close(&decoder);
    }
}

/* ---- The encoder ---- */

static char said[300];

static void hear(void *user, uint32_t level, const char *message)
{
    (void)user;
    if (level == SIDELIGHT_LOG_LEVEL_ERROR) snprintf(said, sizeof said, "%s", message);
}

static void encoded_and_decoded(void)
{
    const uint32_t width = 48, height = 33;
    struct frame original = frame_new(SIDELIGHT_LAYOUT_I420, width, height, 0, 0);
    struct frame coded = frame_new(SIDELIGHT_LAYOUT_I420, width, height, 0, 0);
    struct frame shown = frame_new(SIDELIGHT_LAYOUT_I420, width, height, 0, 0);
    frame_paint(&original, 3);
    frame_copy(&coded, &original);
    /* Some levels get lost. */
    for (int p = 0; p < 3; p++) {
        uint32_t columns, rows;
        layout_size(SIDELIGHT_LAYOUT_I420, p, width, height, &columns, &rows);
        for (uint32_t y = 0; y < rows; y++)
            for (uint32_t x = 0; x < columns; x++) frame_row(&coded, p, y)[x] &= 0xE0;
    }
    SidelightCodecParams params = params_of(SIDELIGHT_CODEC_JPEG);
    params.binding = 77;
    params.slope_db_per_byte = 1e-5;

    SidelightEncoderSettings settings = {.steps = 3, .model_size = SIDELIGHT_MODEL_SIZE_SMALL};
    SidelightEncoder *encoder = NULL;
    sidelight_set_log_callback(hear, NULL);
    const int opened = sidelight_encoder_open(&settings, &encoder);
    if (no_fma) {
        CHECK_INT(opened, SIDELIGHT_ERROR_UNSUPPORTED);
        CHECK(encoder == NULL);
        CHECK(strstr(said, "sidelight_encoder_open") && strstr(said, "FMA"));
        settings.no_update = 1;
        REQUIRE(sidelight_encoder_open(&settings, &encoder) == 0);
    } else {
        REQUIRE(opened == 0);
    }
    SidelightBuffer payload = {0};
    SidelightReport report = {0};
    CHECK_INT(sidelight_encoder_encode(encoder, &original.picture, &coded.picture, 1, &params, &payload, &report), 0);
    CHECK_INT(report.mode, no_fma ? SIDELIGHT_MODE_BASE : SIDELIGHT_MODE_UPDATE);
    sidelight_encoder_close(&encoder);

    SidelightDecoder *decoder = NULL;
    REQUIRE(sidelight_decoder_open(NULL, &decoder) == 0);
    CHECK_INT(sidelight_decoder_set_payload(decoder, payload.data, payload.size, &params), (int)report.mode);
    CHECK_INT(sidelight_decoder_filter(decoder, &coded.picture, &shown.picture), 0);
    CHECK(fabs(frame_psnr(&shown, &original, 0) - report.psnr_payload) < 1e-6);
    CHECK(report.psnr_payload > report.psnr_decoded);
    params.binding = 78;
    CHECK_INT(sidelight_decoder_set_payload(decoder, payload.data, payload.size, &params), SIDELIGHT_ERROR_STALE);
    sidelight_decoder_close(&decoder);
    sidelight_buffer_unref(&payload);
    sidelight_set_log_callback(NULL, NULL);
    frame_free(&original);
    frame_free(&coded);
    frame_free(&shown);
}

/* ---- The optimiser ---- */

static void optimised(void)
{
    enum { SIDE = 16 };
    struct frame original = frame_new(SIDELIGHT_LAYOUT_I400, SIDE, SIDE, 0, 0);
    frame_paint(&original, 5);
    int16_t blocks[4][64] = {{0}};
    for (int b = 0; b < 4; b++) {
        blocks[b][0] = (int16_t)(5 * b - 8);
        blocks[b][1] = (int16_t)(b % 2);
    }
    const SidelightCoefficients coefficients = {.blocks = {blocks[0]}, .stride = {2 * sizeof blocks[0]}};
    const SidelightOptimiseSettings settings = {.effort = 1, .threads = 1};
    const SidelightCodecParams params = plain_params();
    sidelight_set_log_callback(hear, NULL);
    CHECK_INT(sidelight_jpeg_optimise(&settings, &original.picture, &params, NULL, 0, &coefficients, NULL),
              no_fma ? SIDELIGHT_ERROR_UNSUPPORTED : 0);
    if (no_fma) CHECK(strstr(said, "sidelight_jpeg_optimise") && strstr(said, "FMA"));
    sidelight_set_log_callback(NULL, NULL);
    frame_free(&original);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s tests/data/decoded.txt\n", argv[0]);
        return EXIT_FAILURE;
    }
    table = argv[1];
    no_fma = getenv("NO_FMA") != NULL;
    decoded_as_everywhere();
    encoded_and_decoded();
    optimised();
    return check_finish();
}
