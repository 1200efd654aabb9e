/* Pictures of 10 and 12 bits, outputs deeper than their inputs, and strengths of the correction. */
#include "check.h"
#include "coded.h"

#include <string.h>

enum { INVALID = SIDELIGHT_ERROR_INVALID_ARGUMENT, GUARD = 0xA5A5, PAD = 3 };

/* A picture of 16-bit samples; rows have PAD samples of guard between them. */
struct deep {
    SidelightPicture picture;
    uint16_t *memory[3];
    size_t samples[3];
};

static struct deep deep_new(uint32_t layout, uint32_t depth, uint32_t width, uint32_t height)
{
    struct deep d = {.picture = {.width = width, .height = height, .layout = layout,
                                 .bit_depth = depth}};
    for (int i = 0; i < layout_planes(layout); i++) {
        uint32_t columns, rows;
        layout_size(layout, i, width, height, &columns, &rows);
        d.samples[i] = (size_t)(columns + PAD) * (rows - 1) + columns;
        d.memory[i] = malloc(2 * d.samples[i]);
        REQUIRE(d.memory[i] != NULL);
        for (size_t s = 0; s < d.samples[i]; s++) d.memory[i][s] = GUARD;
        d.picture.data[i] = d.memory[i];
        d.picture.stride[i] = 2 * (ptrdiff_t)(columns + PAD);
    }
    return d;
}

static void deep_free(struct deep *d)
{
    for (int i = 0; i < 3; i++) free(d->memory[i]);
}

static uint16_t *deep_row(const struct deep *d, int plane, uint32_t row)
{
    return (uint16_t *)((char *)d->picture.data[plane] + d->picture.stride[plane] * row);
}

/* Runs `statement` for each sample `*s` of row `y`, column `x` of plane `p`, which has `columns`. */
#define FOR_SAMPLES(d, statement)                                                                  \
    for (int p = 0; p < layout_planes((d)->picture.layout); p++) {                                 \
        uint32_t columns, rows;                                                                    \
        layout_size((d)->picture.layout, p, (d)->picture.width, (d)->picture.height, &columns,     \
                    &rows);                                                                        \
        for (uint32_t y = 0; y < rows; y++) {                                                      \
            for (uint32_t x = 0; x < columns; x++) {                                               \
                uint16_t *s = deep_row((d), p, y) + x;                                             \
                statement;                                                                         \
            }                                                                                      \
        }                                                                                          \
    }

/* Samples and guards. */
static bool deep_equal(const struct deep *a, const struct deep *b)
{
    for (int i = 0; i < layout_planes(a->picture.layout); i++) {
        if (memcmp(a->memory[i], b->memory[i], 2 * a->samples[i])) return false;
    }
    return true;
}

static SidelightDecoder *open_base(uint32_t threads)
{
    SidelightDecoderSettings settings = {0};
    settings.threads = threads;
    SidelightDecoder *decoder = NULL;
    const SidelightCodecParams params = plain_params();
    REQUIRE(sidelight_decoder_open(&settings, &decoder) == 0);
    REQUIRE(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &params) == 0);
    return decoder;
}

/* Threads, bands and instruction sets give the same samples, whatever the input holds. */
static void same_everywhere(uint32_t layout, uint32_t depth, uint32_t width, uint32_t height)
{
    uint64_t state = depth * 1000 + width;
    struct deep in = deep_new(layout, depth, width, height);
    struct deep whole = deep_new(layout, depth, width, height);
    const uint32_t max = (1u << depth) - 1;
    /* One in eight is beyond the depth's range. */
    FOR_SAMPLES(&in, {
        const uint32_t r = random_next(&state);
        *s = (uint16_t)(r % 8 ? r >> 8 & max : r >> 8);
    })

    CHECK_INT(sidelight_set_cpu_level(SIDELIGHT_CPU_LEVEL_SCALAR), 0);
    SidelightDecoder *decoder = open_base(1);
    CHECK_INT(sidelight_decoder_filter(decoder, &in.picture, &whole.picture), 0);
    sidelight_decoder_close(&decoder);
    bool in_range = true;
    FOR_SAMPLES(&whole, in_range = in_range && *s <= max)
    CHECK(in_range);

    CHECK_INT(sidelight_set_cpu_level(SIDELIGHT_CPU_LEVEL_BEST), 0);
    for (uint32_t threads = 1; threads <= 3; threads++) {
        struct deep out = deep_new(layout, depth, width, height);
        decoder = open_base(threads);
        CHECK_INT(sidelight_decoder_filter(decoder, &in.picture, &out.picture), 0);
        CHECK(deep_equal(&out, &whole));
        FOR_SAMPLES(&out, *s = GUARD)
        for (uint32_t first = 0; first < height; first += 2 * threads) {
            const uint32_t end = first + 2 * threads < height ? first + 2 * threads : height;
            CHECK_INT(sidelight_decoder_filter_band(decoder, &in.picture, &out.picture, first, end),
                      0);
        }
        CHECK(deep_equal(&out, &whole));
        sidelight_decoder_close(&decoder);
        deep_free(&out);
    }
    deep_free(&in);
    deep_free(&whole);
}

/* Samples of 8 bits, shifted up, are filtered as they would be with 8, but for the rounding. */
static void like_eight_bits(uint32_t depth)
{
    const uint32_t w = 61, h = 38, unit = 1u << (depth - 8);
    struct frame low = frame_new(SIDELIGHT_LAYOUT_I420, w, h, 0, 0);
    struct frame low_out = frame_new(SIDELIGHT_LAYOUT_I420, w, h, 0, 0);
    struct deep in = deep_new(SIDELIGHT_LAYOUT_I420, depth, w, h);
    struct deep out = deep_new(SIDELIGHT_LAYOUT_I420, depth, w, h);
    frame_paint(&low, 3);
    FOR_SAMPLES(&in, *s = (uint16_t)(frame_row(&low, p, y)[x] * unit))
    SidelightDecoder *decoder = open_base(1);
    CHECK_INT(sidelight_decoder_filter(decoder, &low.picture, &low_out.picture), 0);
    CHECK_INT(sidelight_decoder_filter(decoder, &in.picture, &out.picture), 0);
    uint32_t largest = 0;
    bool finer = false;
    FOR_SAMPLES(&out, {
        const int difference = *s - (int)(frame_row(&low_out, p, y)[x] * unit);
        if ((uint32_t)abs(difference) > largest) largest = (uint32_t)abs(difference);
        finer = finer || difference;
    })
    check_that(largest < unit, __FILE__, __LINE__, "%u bits: %u from 8 bits", depth, largest);
    CHECK(finer);
    sidelight_decoder_close(&decoder);
    deep_free(&in);
    deep_free(&out);
    frame_free(&low);
    frame_free(&low_out);
}

/* An output deeper than the input is that of an input whose samples were shifted up to a depth in
 * between, on all threads and in bands. */
static void deeper(uint32_t layout)
{
    const uint32_t w = 53, h = 30, depths[] = {10, 12, 16};
    struct frame low = frame_new(layout, w, h, 0, 0);
    frame_paint(&low, 4);
    for (size_t d = 0; d < sizeof depths / sizeof *depths; d++) {
        const uint32_t depth = depths[d], between = depth < 12 ? depth : 12;
        struct deep in = deep_new(layout, between, w, h);
        FOR_SAMPLES(&in, *s = (uint16_t)(frame_row(&low, p, y)[x] << (between - 8)))
        struct deep expected = deep_new(layout, depth, w, h);
        SidelightDecoder *decoder = open_base(1);
        CHECK_INT(sidelight_decoder_filter(decoder, &in.picture, &expected.picture), 0);
        sidelight_decoder_close(&decoder);
        decoder = open_base(3);
        struct deep out = deep_new(layout, depth, w, h);
        CHECK_INT(sidelight_decoder_filter(decoder, &low.picture, &out.picture), 0);
        CHECK(deep_equal(&out, &expected));
        FOR_SAMPLES(&out, *s = GUARD)
        for (uint32_t first = 0; first < h; first += 10) {
            CHECK_INT(sidelight_decoder_filter_band(decoder, &low.picture, &out.picture, first, first + 10), 0);
        }
        CHECK(deep_equal(&out, &expected));
        /* The bits below are in use. */
        bool finer = false;
        FOR_SAMPLES(&out, finer = finer || (*s & 1) || depth == 16)
        FOR_SAMPLES(&out, finer = finer && (depth < 16 || !(*s & 0xF) || *s == 0xFFFF))
        CHECK(finer);

        CHECK_INT(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_OFF, NULL), 0);
        CHECK_INT(sidelight_decoder_filter(decoder, &low.picture, &out.picture), 0);
        bool shifted = true;
        FOR_SAMPLES(&out, shifted = shifted && *s == frame_row(&low, p, y)[x] << (depth - 8))
        CHECK(shifted);
        sidelight_decoder_close(&decoder);
        deep_free(&in);
        deep_free(&out);
        deep_free(&expected);
    }
    frame_free(&low);
}

/* The output at each strength, from residuals that the 12-bit output at full strength shows. */
static void strengths(void)
{
    const uint32_t w = 45, h = 26, layout = SIDELIGHT_LAYOUT_I420;
    struct frame in = frame_new(layout, w, h, 0, 0), out = frame_new(layout, w, h, 0, 0);
    struct deep full = deep_new(layout, 12, w, h), wide = deep_new(layout, 12, w, h);
    frame_paint(&in, 5);
    SidelightDecoder *decoder = open_base(2);
    CHECK_INT(sidelight_decoder_filter(decoder, &in.picture, &full.picture), 0);
    for (uint32_t strength = 0; strength <= SIDELIGHT_FULL_STRENGTH; strength++) {
        CHECK_INT(sidelight_decoder_set_strength(decoder, strength), 0);
        /* It holds over a change of what is set. */
        const SidelightCodecParams params = plain_params();
        CHECK_INT(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &params), 0);
        CHECK_INT(sidelight_decoder_filter(decoder, &in.picture, &out.picture), 0);
        CHECK_INT(sidelight_decoder_filter_band(decoder, &in.picture, &wide.picture, 0, h), 0);
        bool same = true;
        FOR_SAMPLES(&full, {
            const int sample = frame_row(&in, p, y)[x];
            if (*s == 0 || *s == 4095) continue; /* the residual may have been more */
            const int scaled = (int)strength * (*s - 16 * sample) + 1024 * 4096;
            int narrow = sample + (scaled + 512) / 1024 - 4096;
            narrow = narrow < 0 ? 0 : narrow > 255 ? 255 : narrow;
            int deep = 16 * sample + (scaled + 32) / 64 - 65536;
            deep = deep < 0 ? 0 : deep > 4095 ? 4095 : deep;
            same = same && frame_row(&out, p, y)[x] == narrow && deep_row(&wide, p, y)[x] == deep;
        })
        check_that(same, __FILE__, __LINE__, "strength %u", strength);
    }
    CHECK_INT(sidelight_decoder_set_strength(decoder, 20), 0);
    CHECK_INT(sidelight_decoder_set_strength(decoder, 65), INVALID);
    CHECK_INT(sidelight_decoder_set_strength(decoder, 0), 0);
    CHECK_INT(sidelight_decoder_filter(decoder, &in.picture, &out.picture), 0);
    bool same = true;
    FOR_SAMPLES(&full, same = same && frame_row(&in, p, y)[x] == frame_row(&out, p, y)[x] && s)
    CHECK(same);
    sidelight_decoder_close(&decoder);
    frame_free(&in);
    frame_free(&out);
    deep_free(&full);
    deep_free(&wide);
}

static void passing_through(void)
{
    struct deep in = deep_new(SIDELIGHT_LAYOUT_I422, 10, 21, 9);
    struct deep out = deep_new(SIDELIGHT_LAYOUT_I422, 10, 21, 9);
    uint64_t state = 5;
    FOR_SAMPLES(&in, *s = (uint16_t)random_next(&state))
    SidelightDecoder *decoder = NULL;
    REQUIRE(sidelight_decoder_open(NULL, &decoder) == 0);
    CHECK_INT(sidelight_decoder_filter(decoder, &in.picture, &out.picture), 0);
    CHECK(deep_equal(&in, &out));
    sidelight_decoder_close(&decoder);
    deep_free(&in);
    deep_free(&out);
}

static void refused(void)
{
    struct deep in = deep_new(SIDELIGHT_LAYOUT_I420, 10, 24, 14);
    struct deep out = deep_new(SIDELIGHT_LAYOUT_I420, 10, 24, 14);
    struct deep clear = deep_new(SIDELIGHT_LAYOUT_I420, 10, 24, 14);
    SidelightDecoder *decoder = open_base(1);
#define REFUSED(want, statement)                                                                   \
    do {                                                                                           \
        SidelightPicture a = in.picture, b = out.picture;                                          \
        statement;                                                                                 \
        CHECK_INT(sidelight_decoder_filter(decoder, &a, &b), want);                                \
        CHECK_INT(sidelight_decoder_filter_band(decoder, &a, &b, 2, 8), want);                     \
    } while (0)
    REFUSED(INVALID, a.stride[0]++);
    REFUSED(INVALID, b.stride[0]++);
    REFUSED(INVALID, b.stride[2]--);
    REFUSED(INVALID, a.stride[0] = 2 * 24 - 2);
    REFUSED(INVALID, b.stride[1] = 2 * 12 - 2);
    REFUSED(INVALID, a.stride[0] = -a.stride[0]);
    REFUSED(INVALID, b.stride[0] = PTRDIFF_MAX);
    REFUSED(INVALID, b.stride[0] = PTRDIFF_MAX - 1);
    REFUSED(INVALID, a.data[0] = (char *)a.data[0] + 1);
    REFUSED(INVALID, b.data[2] = (char *)b.data[2] + 1);
    REFUSED(INVALID, a.data[1] = NULL);
    REFUSED(INVALID, b.data[0] = NULL);
    REFUSED(INVALID, a.bit_depth = 12);
    REFUSED(INVALID, b.bit_depth = 8);
    static const uint32_t others[] = {1, 7, 9, 11, 14, 16};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        REFUSED(SIDELIGHT_ERROR_UNSUPPORTED, a.bit_depth = b.bit_depth = others[i]);
    }
#undef REFUSED
    CHECK(deep_equal(&out, &clear));
    sidelight_decoder_close(&decoder);
    deep_free(&in);
    deep_free(&out);
    deep_free(&clear);
}

int main(void)
{
    for (uint32_t layout = SIDELIGHT_LAYOUT_I400; layout < LAYOUTS; layout++) {
        for (uint32_t depth = 10; depth <= 12; depth += 2) {
            same_everywhere(layout, depth, 1, 1);
            same_everywhere(layout, depth, 2, 5);
            same_everywhere(layout, depth, 53, 30);
        }
    }
    like_eight_bits(10);
    like_eight_bits(12);
    for (uint32_t layout = SIDELIGHT_LAYOUT_I400; layout < LAYOUTS; layout++) deeper(layout);
    strengths();
    passing_through();
    refused();
    return check_finish();
}
