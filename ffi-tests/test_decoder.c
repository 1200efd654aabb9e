/* The decoder: filtering, its bands and threads, and what it refuses. */
#include "check.h"
#include "coded.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum { INVALID = SIDELIGHT_ERROR_INVALID_ARGUMENT, UNSUPPORTED = SIDELIGHT_ERROR_UNSUPPORTED };

static SidelightDecoder *open_decoder(uint32_t threads)
{
    SidelightDecoderSettings settings = {0};
    settings.threads = threads;
    SidelightDecoder *decoder = NULL;
    REQUIRE(sidelight_decoder_open(&settings, &decoder) == 0);
    REQUIRE(decoder != NULL);
    return decoder;
}

static SidelightDecoder *open_base(uint32_t threads)
{
    const SidelightCodecParams params = plain_params();
    SidelightDecoder *decoder = open_decoder(threads);
    CHECK_INT(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &params), 0);
    return decoder;
}

static void opening(void)
{
    SidelightDecoderSettings settings = {0};

    SidelightDecoder *const pattern = (SidelightDecoder *)(uintptr_t)0x5A5A;
    SidelightDecoder *decoder = pattern;
    CHECK_INT(sidelight_decoder_open(NULL, NULL), INVALID);
    CHECK_INT(sidelight_decoder_open(&settings, NULL), INVALID);
    for (size_t i = 0; i < sizeof settings.reserved / sizeof *settings.reserved; i++) {
        settings.reserved[i] = 1;
        CHECK_INT(sidelight_decoder_open(&settings, &decoder), INVALID);
        settings.reserved[i] = 0;
    }
    settings.threads = 257;
    CHECK_INT(sidelight_decoder_open(&settings, &decoder), INVALID);
    settings.threads = UINT32_MAX;
    CHECK_INT(sidelight_decoder_open(&settings, &decoder), INVALID);
    CHECK(decoder == pattern);

    settings.threads = 256;
    settings.skip_binding = 7; /* any nonzero */
    CHECK_INT(sidelight_decoder_open(&settings, &decoder), 0);
    CHECK(decoder != pattern);
    sidelight_decoder_close(&decoder);
    CHECK(decoder == NULL);
    sidelight_decoder_close(&decoder);
    CHECK(decoder == NULL);
    sidelight_decoder_close(NULL);

    CHECK_INT(sidelight_decoder_open(NULL, &decoder), 0);
    sidelight_decoder_close(&decoder);
    CHECK(decoder == NULL);
}

static void passing_through(void)
{
    SidelightDecoder *decoder = open_decoder(2);
    for (uint32_t layout = 0; layout < LAYOUTS; layout++) {
        struct frame in = frame_new(layout, 33, 50, 3, 0);
        struct frame out = frame_new(layout, 33, 50, 7, 32);
        frame_paint(&in, 1);
        CHECK_INT(sidelight_decoder_filter(decoder, &in.picture, &out.picture), 0);
        CHECK(frame_equal(&in, &out, 0));
        CHECK(frame_guards_hold(&out));
        frame_clear(&out);
        CHECK_INT(sidelight_decoder_filter_band(decoder, &in.picture, &out.picture, 0, 50), 0);
        CHECK(frame_equal(&in, &out, 0));
        frame_free(&in);
        frame_free(&out);
    }
    sidelight_decoder_close(&decoder);
}

static const uint32_t sizes[][2] = {{1, 1}, {2, 1}, {1, 2}, {3, 3}, {17, 9}, {33, 50}, {8, 67}};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void layouts_and_sizes(void)
{
    SidelightDecoder *decoder = open_base(3);
    for (uint32_t layout = 0; layout < LAYOUTS; layout++) {
        for (int i = 0; i < SIZES; i++) {
            const uint32_t w = sizes[i][0], h = sizes[i][1];
            struct frame in = frame_new(layout, w, h, 3, 16);
            struct frame kept = frame_new(layout, w, h, 3, 16);
            struct frame out = frame_new(layout, w, h, 29, 64);
            struct frame tight_in = frame_new(layout, w, h, 0, 0);
            struct frame tight = frame_new(layout, w, h, 0, 0);
            frame_paint(&in, 2);
            frame_copy(&kept, &in);
            frame_copy(&tight_in, &in);
            CHECK_INT(sidelight_decoder_filter(decoder, &in.picture, &out.picture), 0);
            CHECK(frame_guards_hold(&out));
            CHECK(frame_equal(&in, &kept, 0) && frame_guards_hold(&in));
            for (int p = 0; p < layout_planes(layout) && w * h > 1000; p++) {
                CHECK(!frame_plane_equal(&in, &out, p));
            }
            /* Strides and neighbours in memory do not matter. */
            CHECK_INT(sidelight_decoder_filter(decoder, &tight_in.picture, &tight.picture), 0);
            CHECK(frame_equal(&tight, &out, 0));
            frame_free(&in);
            frame_free(&kept);
            frame_free(&out);
            frame_free(&tight_in);
            frame_free(&tight);
        }
    }
    sidelight_decoder_close(&decoder);
}

/* The longest rows and columns that a picture may have. */
static void longest_sides(void)
{
    SidelightDecoder *decoder = open_base(2);
    for (int tall = 0; tall < 2; tall++) {
        const uint32_t w = tall ? 3 : 65535, h = tall ? 65535 : 3;
        struct frame in = frame_new(SIDELIGHT_LAYOUT_I420, w, h, 0, 0);
        struct frame out = frame_new(SIDELIGHT_LAYOUT_I420, w, h, 0, 0);
        frame_paint(&in, 1);
        CHECK_INT(sidelight_decoder_filter(decoder, &in.picture, &out.picture), 0);
        for (int p = 0; p < 3; p++) CHECK(!frame_plane_equal(&in, &out, p));
        frame_free(&in);
        frame_free(&out);
    }
    sidelight_decoder_close(&decoder);
}

struct band_job {
    pthread_t thread;
    const SidelightDecoder *decoder;
    const struct frame *in, *out;
    uint32_t height; /* of a band */
    uint32_t lane, lanes;
    int result;
};

/* Filters every `lanes`-th band. */
static void *filter_bands(void *user)
{
    struct band_job *job = user;
    const uint32_t rows = job->in->picture.height;
    for (uint32_t first = job->lane * job->height; first < rows;
         first += job->lanes * job->height) {
        const uint32_t end = first + job->height < rows ? first + job->height : rows;
        const int rc = sidelight_decoder_filter_band(job->decoder, &job->in->picture,
                                                     &job->out->picture, first, end);
        if (rc) job->result = rc;
    }
    return NULL;
}

static void bands_and_threads(void)
{
    for (uint32_t layout = 0; layout < LAYOUTS; layout++) {
        const uint32_t w = 70, h = check_quick() ? 51 : 163;
        struct frame in = frame_new(layout, w, h, 1, 0);
        struct frame whole = frame_new(layout, w, h, 0, 0);
        struct frame out = frame_new(layout, w, h, 5, 16);
        frame_paint(&in, 3);

        static const uint32_t threads[] = {1, 2, 5, 0, 256};
        for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
            SidelightDecoder *decoder = open_base(threads[i]);
            CHECK_INT(sidelight_decoder_filter(decoder, &in.picture, &out.picture), 0);
            if (i == 0) frame_copy(&whole, &out);
            CHECK(frame_equal(&whole, &out, 0));
            CHECK(frame_guards_hold(&out));
            sidelight_decoder_close(&decoder);
        }

        SidelightDecoder *decoder = open_base(1);
        static const uint32_t heights[] = {2, 6, 16, 64, 4000};
        for (size_t i = 0; i < sizeof heights / sizeof *heights; i++) {
            struct band_job one = {.decoder = decoder, .in = &in, .out = &out,
                                   .height = heights[i], .lanes = 1};
            frame_clear(&out);
            filter_bands(&one);
            CHECK_INT(one.result, 0);
            CHECK(frame_equal(&whole, &out, 0));
            CHECK(frame_guards_hold(&out));

            struct band_job jobs[4];
            frame_clear(&out);
            for (uint32_t t = 0; t < 4; t++) {
                jobs[t] = one;
                jobs[t].lane = t;
                jobs[t].lanes = 4;
                REQUIRE(pthread_create(&jobs[t].thread, NULL, filter_bands, &jobs[t]) == 0);
            }
            for (int t = 0; t < 4; t++) {
                pthread_join(jobs[t].thread, NULL);
                CHECK_INT(jobs[t].result, 0);
            }
            CHECK(frame_equal(&whole, &out, 0));
        }

        /* A band writes its own rows only. */
        frame_clear(&out);
        CHECK_INT(sidelight_decoder_filter_band(decoder, &in.picture, &out.picture, 10, 24), 0);
        for (int i = 0; i < layout_planes(layout); i++) {
            uint32_t columns, rows;
            layout_size(layout, i, w, h, &columns, &rows);
            const uint32_t half = i ? rows_per_chroma(layout) : 1;
            for (uint32_t y = 0; y < rows; y++) {
                const uint8_t *row = frame_row(&out, i, y);
                if (y >= 10 / half && y < 24 / half) {
                    CHECK(!memcmp(row, frame_row(&whole, i, y), columns));
                } else {
                    bool clear = true;
                    for (uint32_t x = 0; x < columns; x++) clear &= row[x] == FRAME_GUARD;
                    CHECK(clear);
                }
            }
        }
        sidelight_decoder_close(&decoder);
        frame_free(&in);
        frame_free(&whole);
        frame_free(&out);
    }
}

/* On a coded picture the base model comes closer to the original. */
static void base_improves(void)
{
    for (int quality = 10; quality <= 20; quality += 5) {
        struct coded c = coded_new(SIDELIGHT_LAYOUT_I420, 160, 128, 1, quality);
        struct frame out = frame_new(SIDELIGHT_LAYOUT_I420, 160, 128, 0, 0);
        SidelightDecoder *decoder = open_decoder(0);
        CHECK_INT(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &c.params), 0);
        CHECK_INT(sidelight_decoder_filter(decoder, &c.decoded.picture, &out.picture), 0);
        for (int p = 0; p < 3; p++) {
            const double before = frame_psnr(&c.original, &c.decoded, p);
            const double after = frame_psnr(&c.original, &out, p);
            check_that(after > before, __FILE__, __LINE__,
                       "quality %d, plane %d: %.3f dB before, %.3f after", quality, p, before,
                       after);
        }
        sidelight_decoder_close(&decoder);
        frame_free(&out);
        coded_free(&c);
    }
}

/* Something wrong with one of two pictures, or with both. */
struct fault {
    const char *name;
    int want;
    void (*make)(SidelightPicture *in, SidelightPicture *out);
};

#define FAULT(name, want, statement)                                                               \
    static void name(SidelightPicture *in, SidelightPicture *out)                                  \
    {                                                                                              \
        (void)in, (void)out;                                                                       \
        statement;                                                                                 \
    }                                                                                              \
    enum { want_##name = (want) };

FAULT(bad_layout, INVALID, in->layout = out->layout = LAYOUTS)
FAULT(other_layout, INVALID, out->layout = SIDELIGHT_LAYOUT_I422)
FAULT(gray_to_color, INVALID, in->layout = SIDELIGHT_LAYOUT_I400)
FAULT(depth_9, UNSUPPORTED, in->bit_depth = out->bit_depth = 9)
FAULT(depth_10_in, INVALID, in->bit_depth = 10)
FAULT(depth_16, UNSUPPORTED, in->bit_depth = out->bit_depth = 16)
FAULT(depth_0, INVALID, in->bit_depth = out->bit_depth = 0)
FAULT(depth_17, INVALID, in->bit_depth = out->bit_depth = 17)
FAULT(width_0, INVALID, in->width = out->width = 0)
FAULT(height_0, INVALID, in->height = out->height = 0)
FAULT(width_large, INVALID, in->width = out->width = 65536)
FAULT(height_large, INVALID, in->height = out->height = 65536)
FAULT(height_max, INVALID, in->height = out->height = UINT32_MAX)
FAULT(other_width, INVALID, in->width--)
FAULT(other_height, INVALID, out->height--)
FAULT(short_stride_in, INVALID, in->stride[0] = in->width - 1)
FAULT(short_stride_out, INVALID, out->stride[0] = out->width - 1)
FAULT(short_chroma_stride, INVALID, in->stride[2] = (in->width + 1) / 2 - 1)
FAULT(stride_0, INVALID, in->stride[0] = 0)
FAULT(negative_stride_in, INVALID, in->stride[0] = -in->stride[0])
FAULT(negative_stride_out, INVALID, out->stride[1] = -out->stride[1])
FAULT(huge_stride_in, INVALID, in->stride[0] = PTRDIFF_MAX)
FAULT(huge_stride_out, INVALID, out->stride[0] = PTRDIFF_MAX)
FAULT(lowest_stride, INVALID, out->stride[0] = PTRDIFF_MIN)
FAULT(null_luma_in, INVALID, in->data[0] = NULL)
FAULT(null_chroma_in, INVALID, in->data[1] = NULL)
FAULT(null_luma_out, INVALID, out->data[0] = NULL)
FAULT(null_chroma_out, INVALID, out->data[2] = NULL)
FAULT(same_luma, INVALID, out->data[0] = in->data[0]; out->stride[0] = in->stride[0])
FAULT(same_chroma, INVALID, out->data[2] = in->data[2]; out->stride[2] = in->stride[2])
FAULT(reserved_in, INVALID, in->reserved[0] = 1)
FAULT(reserved_out, INVALID, out->reserved[sizeof out->reserved - 1] = 1)

#define ENTRY(name) {#name, want_##name, name}
static const struct fault faults[] = {
    ENTRY(bad_layout),       ENTRY(other_layout),       ENTRY(gray_to_color),
    ENTRY(depth_9),          ENTRY(depth_10_in),        ENTRY(depth_16),
    ENTRY(depth_0),          ENTRY(depth_17),           ENTRY(width_0),            ENTRY(height_0),
    ENTRY(width_large),      ENTRY(height_large),       ENTRY(height_max),
    ENTRY(other_width),      ENTRY(other_height),       ENTRY(short_stride_in),
    ENTRY(short_stride_out), ENTRY(short_chroma_stride), ENTRY(stride_0),
    ENTRY(negative_stride_in), ENTRY(negative_stride_out), ENTRY(huge_stride_in),
    ENTRY(huge_stride_out),  ENTRY(lowest_stride),      ENTRY(null_luma_in),
    ENTRY(null_chroma_in),   ENTRY(null_luma_out),      ENTRY(null_chroma_out),
    ENTRY(same_luma),        ENTRY(same_chroma),        ENTRY(reserved_in),
    ENTRY(reserved_out),
};

static void refused_pictures(void)
{
    const uint32_t w = 20, h = 14;
    struct frame in = frame_new(SIDELIGHT_LAYOUT_I420, w, h, 0, 0);
    struct frame kept = frame_new(SIDELIGHT_LAYOUT_I420, w, h, 0, 0);
    struct frame out = frame_new(SIDELIGHT_LAYOUT_I420, w, h, 0, 0);
    frame_paint(&in, 4);
    frame_copy(&kept, &in);
    SidelightDecoder *decoders[] = {open_decoder(1), open_base(1)};
    for (int d = 0; d < 2; d++) {
        SidelightDecoder *decoder = decoders[d];
        for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
            SidelightPicture a = in.picture, b = out.picture;
            faults[i].make(&a, &b);
            int rc = sidelight_decoder_filter(decoder, &a, &b);
            check_that(rc == faults[i].want, __FILE__, __LINE__, "filter, %s: %d, not %d",
                       faults[i].name, rc, faults[i].want);
            rc = sidelight_decoder_filter_band(decoder, &a, &b, 2, 8);
            check_that(rc == faults[i].want, __FILE__, __LINE__, "filter_band, %s: %d, not %d",
                       faults[i].name, rc, faults[i].want);
            check_that(frame_is_clear(&out) && frame_equal(&in, &kept, 0), __FILE__, __LINE__,
                       "%s: a picture was written", faults[i].name);
        }

        static const uint32_t bands[][2] = {{1, 8},  {0, 7},          {8, 2},  {0, 15}, {0, 16},
                                            {14, 16}, {2, UINT32_MAX}, {UINT32_MAX - 1, 4},
                                            {UINT32_MAX - 1, UINT32_MAX}};
        for (size_t i = 0; i < sizeof bands / sizeof *bands; i++) {
            CHECK_INT(sidelight_decoder_filter_band(decoder, &in.picture, &out.picture,
                                                    bands[i][0], bands[i][1]),
                      INVALID);
        }

        static const uint32_t empty[] = {0, 8, 14, UINT32_MAX};
        for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
            CHECK_INT(sidelight_decoder_filter_band(decoder, &in.picture, &out.picture, empty[i], empty[i]), 0);
        }

        CHECK_INT(sidelight_decoder_filter(NULL, &in.picture, &out.picture), INVALID);
        CHECK_INT(sidelight_decoder_filter(decoder, NULL, &out.picture), INVALID);
        CHECK_INT(sidelight_decoder_filter(decoder, &in.picture, NULL), INVALID);
        CHECK_INT(sidelight_decoder_filter_band(NULL, &in.picture, &out.picture, 0, 2), INVALID);
        CHECK_INT(sidelight_decoder_filter_band(decoder, NULL, &out.picture, 0, 2), INVALID);
        CHECK_INT(sidelight_decoder_filter_band(decoder, &in.picture, NULL, 0, 2), INVALID);
        CHECK(frame_is_clear(&out));

        /* Without chroma its fields are not looked at. */
        SidelightPicture a = in.picture, b = out.picture;
        a.layout = b.layout = SIDELIGHT_LAYOUT_I400;
        for (int i = 1; i < 3; i++) {
            a.data[i] = b.data[i] = NULL;
            a.stride[i] = -7;
            b.stride[i] = 0;
        }
        CHECK_INT(sidelight_decoder_filter(decoder, &a, &b), 0);
        frame_clear(&out);
        /* The stride of a single row is not used. */
        a.height = b.height = 1;
        a.stride[0] = b.stride[0] = PTRDIFF_MAX;
        CHECK_INT(sidelight_decoder_filter(decoder, &a, &b), 0);
        frame_clear(&out);
        sidelight_decoder_close(&decoders[d]);
    }
    frame_free(&in);
    frame_free(&kept);
    frame_free(&out);
}

static bool passes_through(SidelightDecoder *decoder, const struct frame *in, struct frame *out)
{
    frame_clear(out);
    return sidelight_decoder_filter(decoder, &in->picture, &out->picture) == 0 &&
           frame_equal(in, out, 0);
}

static void settings_of_mode(void)
{
    struct frame in = frame_new(SIDELIGHT_LAYOUT_I420, 40, 40, 0, 0);
    struct frame out = frame_new(SIDELIGHT_LAYOUT_I420, 40, 40, 0, 0);
    frame_paint(&in, 5);
    const SidelightCodecParams good = plain_params();
    SidelightCodecParams bad;
    SidelightDecoder *decoder = open_base(1);
    CHECK(!passes_through(decoder, &in, &out));

    CHECK_INT(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_OFF, NULL), 0);
    CHECK(passes_through(decoder, &in, &out));

    /* After each error pictures pass through. */
#define REFUSED(call, want)                                                                        \
    do {                                                                                           \
        CHECK_INT(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &good), 0);             \
        CHECK_INT(call, want);                                                                     \
        CHECK(passes_through(decoder, &in, &out));                                                 \
    } while (0)

    REFUSED(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, NULL), INVALID);
    REFUSED(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_UPDATE, &good), INVALID);
    REFUSED(sidelight_decoder_set_mode(decoder, 3, &good), INVALID);
    REFUSED(sidelight_decoder_set_mode(decoder, UINT32_MAX, &good), INVALID);
    bad = good;
    bad.codec = 0;
    REFUSED(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &bad), INVALID);
    bad.codec = 3;
    REFUSED(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &bad), UNSUPPORTED);
    bad = good;
    bad.quant[0][63] = 0;
    REFUSED(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &bad), INVALID);
    bad = good;
    bad.reserved[sizeof bad.reserved - 1] = 1;
    REFUSED(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &bad), INVALID);

    static const uint8_t junk[8] = {0};
    REFUSED(sidelight_decoder_set_payload(decoder, junk, sizeof junk, &good),
            SIDELIGHT_ERROR_CORRUPT);
    REFUSED(sidelight_decoder_set_payload(decoder, junk, 0, &good), SIDELIGHT_ERROR_CORRUPT);
    REFUSED(sidelight_decoder_set_payload(decoder, NULL, 0, &good), SIDELIGHT_ERROR_CORRUPT);
    REFUSED(sidelight_decoder_set_payload(decoder, NULL, 8, &good), INVALID);
    REFUSED(sidelight_decoder_set_payload(decoder, junk, sizeof junk, NULL), INVALID);
    CHECK_INT(sidelight_decoder_set_mode(NULL, SIDELIGHT_MODE_OFF, NULL), INVALID);
    CHECK_INT(sidelight_decoder_set_payload(NULL, junk, sizeof junk, &good), INVALID);

    /* Any steps are taken; binding and the encoder's fields are not looked at. */
    SidelightCodecParams odd = good;
    for (int i = 0; i < 64; i++) odd.quant[0][i] = i % 2 ? 65535 : 1;
    odd.binding = UINT64_MAX;
    odd.coded_bytes = UINT64_MAX;
    odd.slope_db_per_byte = -1;
    CHECK_INT(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &odd), 0);
    CHECK_INT(sidelight_decoder_filter(decoder, &in.picture, &out.picture), 0);

    sidelight_decoder_close(&decoder);
    frame_free(&in);
    frame_free(&out);
}

int main(void)
{
    opening();
    passing_through();
    layouts_and_sizes();
    longest_sides();
    bands_and_threads();
    base_improves();
    refused_pictures();
    settings_of_mode();
    return check_finish();
}
