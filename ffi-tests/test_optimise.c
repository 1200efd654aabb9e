/* Coefficients from libjpeg, chosen anew, back through libjpeg: what decoders show and what filters make of
 * it is what the report says. */
#include "check.h"
#include "coded.h"

#include <math.h>
#include <string.h>

#include <jpeglib.h>

enum { INVALID = SIDELIGHT_ERROR_INVALID_ARGUMENT, BLOCK_BYTES = 64 * sizeof(int16_t), QUALITY = 20 };

/* The defaults. */
static const double STRENGTH = 0.6, DECODED = 0.2;

/* ---- libjpeg ---- */

struct file {
    uint8_t *data;
    unsigned long size;
};

/* A picture's planes with room for whole MCUs, and pointers to their rows. */
struct rows {
    uint8_t *memory[3];
    size_t stride[3];
    uint32_t count[3];
    JSAMPROW *row[3];
    JSAMPARRAY at[3];
    int high[3];
};

static struct rows rows_new(const struct frame *f)
{
    struct rows r = {0};
    const SidelightPicture *p = &f->picture;
    const uint32_t wide = 8 * columns_per_chroma(p->layout), high = 8 * rows_per_chroma(p->layout);
    const uint32_t columns = (p->width + wide - 1) / wide, rows = (p->height + high - 1) / high;
    for (int i = 0; i < layout_planes(p->layout); i++) {
        r.high[i] = i ? 8 : (int)high;
        r.stride[i] = columns * (i ? 8 : wide);
        r.count[i] = rows * (uint32_t)r.high[i];
        r.memory[i] = calloc(r.count[i], r.stride[i]);
        r.row[i] = calloc(r.count[i], sizeof *r.row[i]);
        if (!r.memory[i] || !r.row[i]) abort();
        for (uint32_t y = 0; y < r.count[i]; y++) r.row[i][y] = r.memory[i] + y * r.stride[i];
    }
    return r;
}

/* Points to the rows of the MCU row that holds luma row `line`. */
static JSAMPIMAGE rows_at(struct rows *r, uint32_t line)
{
    for (int i = 0; i < 3; i++) r->at[i] = r->row[i] + line / (uint32_t)r->high[0] * (uint32_t)r->high[i];
    return r->at;
}

static void rows_free(struct rows *r)
{
    for (int i = 0; i < 3; i++) {
        free(r->memory[i]);
        free(r->row[i]);
    }
}

static struct file code(const struct frame *f, int quality)
{
    const SidelightPicture *p = &f->picture;
    const int count = layout_planes(p->layout);
    struct rows rows = rows_new(f);
    for (int i = 0; i < count; i++) {
        uint32_t columns, lines;
        layout_size(p->layout, i, p->width, p->height, &columns, &lines);
        /* Edges are replicated. */
        for (uint32_t y = 0; y < rows.count[i]; y++) {
            const uint8_t *from = frame_row(f, i, y < lines ? y : lines - 1);
            memcpy(rows.row[i][y], from, columns);
            memset(rows.row[i][y] + columns, from[columns - 1], rows.stride[i] - columns);
        }
    }
    struct file file = {0};
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &file.data, &file.size);
    jpeg.image_width = p->width;
    jpeg.image_height = p->height;
    jpeg.input_components = count;
    jpeg.in_color_space = count == 1 ? JCS_GRAYSCALE : JCS_YCbCr;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality, TRUE);
    jpeg.comp_info[0].h_samp_factor = (int)columns_per_chroma(p->layout);
    jpeg.comp_info[0].v_samp_factor = (int)rows_per_chroma(p->layout);
    jpeg.raw_data_in = TRUE;
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height)
        jpeg_write_raw_data(&jpeg, rows_at(&rows, jpeg.next_scanline), (JDIMENSION)rows.high[0]);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    rows_free(&rows);
    return file;
}

/* The planes that a decoder makes, into `f`. */
static void decode(const struct file *file, struct frame *f)
{
    const SidelightPicture *p = &f->picture;
    struct rows rows = rows_new(f);
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, file->data, file->size);
    jpeg_read_header(&jpeg, TRUE);
    jpeg.dct_method = JDCT_ISLOW;
    jpeg.raw_data_out = TRUE;
    jpeg_start_decompress(&jpeg);
    while (jpeg.output_scanline < jpeg.output_height)
        jpeg_read_raw_data(&jpeg, rows_at(&rows, jpeg.output_scanline), (JDIMENSION)rows.high[0]);
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    for (int i = 0; i < layout_planes(p->layout); i++) {
        uint32_t columns, lines;
        layout_size(p->layout, i, p->width, p->height, &columns, &lines);
        for (uint32_t y = 0; y < lines; y++) memcpy(frame_row(f, i, y), rows.row[i][y], columns);
    }
    rows_free(&rows);
}

/* ---- coefficients ---- */

/* Rows of blocks with guard bytes between them and on either side. */
struct coefficients {
    SidelightCoefficients passed;
    uint8_t *memory[3];
    size_t bytes[3], row[3];
    uint32_t rows[3];
};

enum { GUARD = 32, PADDING = 6 };

static struct coefficients coefficients_new(const SidelightPicture *p)
{
    struct coefficients c = {0};
    for (int i = 0; i < layout_planes(p->layout); i++) {
        uint32_t columns, lines;
        layout_size(p->layout, i, p->width, p->height, &columns, &lines);
        c.row[i] = (columns + 7) / 8 * BLOCK_BYTES;
        c.rows[i] = (lines + 7) / 8;
        const size_t stride = c.row[i] + PADDING;
        c.bytes[i] = GUARD + (c.rows[i] - 1) * stride + c.row[i] + GUARD;
        c.memory[i] = malloc(c.bytes[i]);
        if (!c.memory[i]) abort();
        memset(c.memory[i], FRAME_GUARD, c.bytes[i]);
        c.passed.blocks[i] = (int16_t *)(void *)(c.memory[i] + GUARD);
        c.passed.stride[i] = (ptrdiff_t)stride;
    }
    return c;
}

static void coefficients_free(struct coefficients *c)
{
    for (int i = 0; i < 3; i++) free(c->memory[i]);
}

static int16_t *coefficients_row(const struct coefficients *c, int plane, uint32_t row)
{
    return (int16_t *)(void *)((uint8_t *)c->passed.blocks[plane] + row * (size_t)c->passed.stride[plane]);
}

static void coefficients_copy(struct coefficients *to, const struct coefficients *from)
{
    for (int i = 0; i < 3; i++)
        if (from->memory[i]) memcpy(to->memory[i], from->memory[i], from->bytes[i]);
}

static bool coefficients_equal(const struct coefficients *a, const struct coefficients *b)
{
    for (int i = 0; i < 3; i++)
        if (a->memory[i] && memcmp(a->memory[i], b->memory[i], a->bytes[i])) return false;
    return true;
}

static bool coefficients_guards_hold(const struct coefficients *c)
{
    for (int i = 0; i < 3; i++) {
        if (!c->memory[i]) continue;
        const size_t stride = (size_t)c->passed.stride[i];
        for (size_t at = 0; at < c->bytes[i]; at++) {
            const bool inside = at >= GUARD && at < c->bytes[i] - GUARD && (at - GUARD) % stride < c->row[i];
            if (!inside && c->memory[i][at] != FRAME_GUARD) return false;
        }
    }
    return true;
}

/* The file with other coefficients, or of it those that are there; progressive or not. */
static struct file exchange(const struct file *file, struct coefficients *c, bool write, bool progressive)
{
    struct file out = {0};
    struct jpeg_decompress_struct in;
    struct jpeg_error_mgr errors;
    in.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&in);
    jpeg_mem_src(&in, file->data, file->size);
    jpeg_read_header(&in, TRUE);
    jvirt_barray_ptr *arrays = jpeg_read_coefficients(&in);
    for (int i = 0; i < in.num_components; i++) {
        for (uint32_t y = 0; y < c->rows[i]; y++) {
            JBLOCKARRAY theirs = in.mem->access_virt_barray((j_common_ptr)&in, arrays[i], y, 1, write);
            if (write)
                memcpy(theirs[0], coefficients_row(c, i, y), c->row[i]);
            else
                memcpy(coefficients_row(c, i, y), theirs[0], c->row[i]);
        }
    }
    if (write) {
        struct jpeg_compress_struct jpeg;
        jpeg.err = in.err;
        jpeg_create_compress(&jpeg);
        jpeg_mem_dest(&jpeg, &out.data, &out.size);
        jpeg_copy_critical_parameters(&in, &jpeg);
        jpeg.optimize_coding = TRUE;
        if (progressive) jpeg_simple_progression(&jpeg);
        jpeg_write_coefficients(&jpeg, arrays);
        jpeg_finish_compress(&jpeg);
        jpeg_destroy_compress(&jpeg);
    }
    jpeg_finish_decompress(&in);
    jpeg_destroy_decompress(&in);
    return out;
}

/* ---- a picture and all that belongs to it ---- */

struct job {
    struct frame original, decoded, filtered;
    struct file file;
    SidelightCodecParams params;
    struct coefficients before, after;
};

/* Of a picture that is painted already. */
static struct job job_of(struct frame original, int quality)
{
    const SidelightPicture *p = &original.picture;
    struct job j = {.original = original};
    j.decoded = frame_new(p->layout, p->width, p->height, 3, 8);
    j.filtered = frame_new(p->layout, p->width, p->height, 0, 8);
    j.file = code(&j.original, quality);
    j.before = coefficients_new(p);
    j.after = coefficients_new(p);
    exchange(&j.file, &j.before, false, false);
    coefficients_copy(&j.after, &j.before);
    REQUIRE(sidelight_jpeg_read(j.file.data, j.file.size, &j.params, NULL) == 0);
    return j;
}

static struct job job_new(uint32_t layout, uint32_t width, uint32_t height, uint32_t seed)
{
    struct frame original = frame_new(layout, width, height, 5, 8);
    frame_paint(&original, seed);
    return job_of(original, QUALITY);
}

static void job_free(struct job *j)
{
    frame_free(&j->original);
    frame_free(&j->decoded);
    frame_free(&j->filtered);
    free(j->file.data);
    coefficients_free(&j->before);
    coefficients_free(&j->after);
}

static SidelightOptimiseSettings quick_settings(void)
{
    SidelightOptimiseSettings s = {0};
    s.threads = 2;
    s.effort = 1;
    s.model_size = SIDELIGHT_MODEL_SIZE_SMALL;
    return s;
}

/* Chooses the job's coefficients from those that came in. */
static int run(struct job *j, const SidelightOptimiseSettings *s, const SidelightBuffer *payload,
               SidelightOptimiseReport *r)
{
    coefficients_copy(&j->after, &j->before);
    if (r) memset(r, 0x5A, sizeof *r);
    const int rc = sidelight_jpeg_optimise(s, &j->original.picture, &j->params, payload ? payload->data : NULL,
                                           payload ? payload->size : 0, &j->after.passed, r);
    CHECK(frame_guards_hold(&j->original));
    CHECK(coefficients_guards_hold(&j->after));
    if (rc == 0 && r) CHECK_INT(r->changed, !coefficients_equal(&j->before, &j->after));
    return rc;
}

static void check_psnr(const char *what, const struct frame *a, const struct frame *b, const double *told)
{
    const SidelightPicture *p = &a->picture;
    for (int i = 0; i < 3; i++) {
        const double psnr = i < layout_planes(p->layout) ? frame_psnr(a, b, i) : 0;
        check_that(psnr == told[i] || fabs(psnr - told[i]) < 1e-9, __FILE__, __LINE__,
                   "%s, %u x %u, layout %u, plane %d: %.10f, not %.10f", what, p->width, p->height, p->layout,
                   i, told[i], psnr);
    }
}

/* A payload that asks for a base model. */
static void base_payload(uint32_t model, uint8_t bytes[8])
{
    bytes[0] = SIDELIGHT_MODE_BASE;
    for (int i = 0; i < 4; i++) bytes[1 + i] = (uint8_t)(model >> 8 * i);
    payload_repair(bytes, 8, 0);
}

/* Decodes coefficients as stock decoders do, filters them with the payload, and compares with the report's
 * `which`. */
static void check_measured(struct job *j, struct coefficients *c, const SidelightBuffer *payload,
                           const SidelightOptimiseReport *r, int which, bool progressive)
{
    struct file file = exchange(&j->file, c, true, progressive);
    decode(&file, &j->decoded);
    free(file.data);
    check_psnr(which ? "decoded, after" : "decoded, before", &j->original, &j->decoded, r->psnr_decoded[which]);

    uint8_t base[8];
    base_payload(r->model, base);
    SidelightDecoderSettings settings = {.skip_binding = 1, .threads = 1};
    SidelightDecoder *decoder = NULL;
    REQUIRE(sidelight_decoder_open(&settings, &decoder) == 0);
    const int set = payload ? sidelight_decoder_set_payload(decoder, payload->data, payload->size, &j->params)
                            : sidelight_decoder_set_payload(decoder, base, sizeof base, &j->params);
    CHECK(set == SIDELIGHT_MODE_BASE || set == SIDELIGHT_MODE_UPDATE);
    CHECK_INT(sidelight_decoder_filter(decoder, &j->decoded.picture, &j->filtered.picture), 0);
    check_psnr(which ? "filtered, after" : "filtered, before", &j->original, &j->filtered,
               r->psnr_filtered[which]);
    sidelight_decoder_close(&decoder);
}

static void check_report(const SidelightOptimiseReport *r)
{
    CHECK(r->changed <= 1);
    CHECK(r->bits[0] > 0 && r->bits[1] > 0);
    for (size_t i = 0; i < sizeof r->reserved / sizeof r->reserved[0]; i++) CHECK_INT(r->reserved[i], 0);
    if (r->changed) return;
    CHECK_INT(r->bits[0], r->bits[1]);
    CHECK(!memcmp(r->psnr_decoded[0], r->psnr_decoded[1], sizeof r->psnr_decoded[0]));
    CHECK(!memcmp(r->psnr_filtered[0], r->psnr_filtered[1], sizeof r->psnr_filtered[0]));
}

/* What is minimised, of a gray picture, in dB. */
static double cost(const SidelightOptimiseReport *r, int which, double strength, double decoded_weight)
{
    const double filtered = pow(10, (r->psnr_filtered[0][0] - r->psnr_filtered[which][0]) / 10);
    const double decoded = pow(10, (r->psnr_filtered[0][0] - r->psnr_decoded[which][0]) / 10);
    const double bytes = ceil((double)r->bits[0] / 8);
    return 10 / log(10) * (filtered + decoded_weight * decoded) +
           strength * (1 + decoded_weight) * 3.4 / log(2) / bytes * (double)r->bits[which] / 8;
}

/* ---- the tests ---- */

static void layouts(void)
{
    static const struct {
        uint32_t width, height;
        bool quick;
    } sizes[] = {{64, 48, false}, {40, 22, false}, {17, 9, true}, {8, 8, false}, {1, 1, true}};
    const SidelightOptimiseSettings plain = quick_settings();
    int changed = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (check_quick() && !sizes[i].quick) continue;
        for (uint32_t layout = 0; layout < LAYOUTS; layout++) {
            for (int progressive = 0; progressive < (check_quick() ? 1 : 2); progressive++) {
                struct job j = job_new(layout, sizes[i].width, sizes[i].height, 1);
                SidelightOptimiseSettings s = plain;
                s.progressive = (uint32_t)progressive;
                SidelightOptimiseReport r;
                if (CHECK_INT(run(&j, &s, NULL, &r), 0)) {
                    check_report(&r);
                    check_measured(&j, &j.before, NULL, &r, 0, false);
                    check_measured(&j, &j.after, NULL, &r, 1, progressive);
                    changed += (int)r.changed;
                }
                job_free(&j);
            }
        }
    }
    CHECK(changed >= (check_quick() ? 2 : 12));
}

/* The coefficients depend on neither threads nor the CPU, and the report's address is nothing to them. */
static void same_bytes(void)
{
    struct job j = job_new(SIDELIGHT_LAYOUT_I420, check_quick() ? 33 : 70, check_quick() ? 17 : 141, 2);
    struct coefficients first = coefficients_new(&j.original.picture);
    SidelightOptimiseSettings s = quick_settings();
    SidelightOptimiseReport r, again;
    s.threads = 1;
    s.effort = check_quick() ? 1 : 2;
    s.strength = 0.05; /* much changes */
    REQUIRE(run(&j, &s, NULL, &r) == 0);
    coefficients_copy(&first, &j.after);
    CHECK_INT(r.changed, 1);
    for (int i = check_quick() ? 1 : 0; i < (check_quick() ? 2 : 3); i++) {
        static const uint32_t threads[] = {2, 5, 0};
        s.threads = threads[i];
        CHECK_INT(run(&j, &s, NULL, &again), 0);
        CHECK(coefficients_equal(&first, &j.after) && !memcmp(&r, &again, sizeof r));
    }
    for (uint32_t level = 0; level <= (check_quick() ? 0 : SIDELIGHT_CPU_LEVEL_AVX512); level++) {
        REQUIRE(sidelight_set_cpu_level(level) == 0);
        CHECK_INT(run(&j, &s, NULL, &again), 0);
        check_that(coefficients_equal(&first, &j.after) && !memcmp(&r, &again, sizeof r), __FILE__, __LINE__,
                   "other coefficients at level %u", level);
    }
    REQUIRE(sidelight_set_cpu_level(SIDELIGHT_CPU_LEVEL_BEST) == 0);
    CHECK_INT(run(&j, &s, NULL, NULL), 0);
    CHECK(coefficients_equal(&first, &j.after));
    coefficients_free(&first);
    job_free(&j);
}

/* Zeros stand for the defaults, which may be said as well. */
static void defaults(void)
{
    struct job j = job_new(SIDELIGHT_LAYOUT_I400, 17, 9, 3);
    struct coefficients first = coefficients_new(&j.original.picture);
    SidelightOptimiseReport r;
    CHECK_INT(run(&j, NULL, NULL, NULL), 0);
    coefficients_copy(&first, &j.after);
    SidelightOptimiseSettings s = {0};
    CHECK_INT(run(&j, &s, NULL, &r), 0);
    CHECK(coefficients_equal(&first, &j.after));
    s.effort = 5;
    s.model_size = SIDELIGHT_MODEL_SIZE_MEDIUM;
    s.strength = STRENGTH;
    s.decoded_weight = DECODED;
    CHECK_INT(run(&j, &s, NULL, &r), 0);
    CHECK(coefficients_equal(&first, &j.after));
    coefficients_free(&first);
    job_free(&j);
}

/* What the weights of bits and of the decoded picture do. */
static void weights(void)
{
    struct job j = job_new(SIDELIGHT_LAYOUT_I400, check_quick() ? 40 : 64, check_quick() ? 32 : 48, 4);
    SidelightOptimiseSettings s = quick_settings();
    SidelightOptimiseReport r[2];
    for (int i = 0; i < 2; i++) {
        s.strength = i ? 20 : 0.05;
        CHECK_INT(run(&j, &s, NULL, &r[i]), 0);
        CHECK(cost(&r[i], 1, s.strength, DECODED) <= cost(&r[i], 0, s.strength, DECODED));
        check_measured(&j, &j.after, NULL, &r[i], 1, false);
    }
    CHECK(r[0].bits[1] > r[1].bits[1]);
    CHECK(r[0].psnr_filtered[1][0] > r[1].psnr_filtered[1][0]);
    s.strength = 0;
    for (int i = 0; i < 2; i++) {
        s.decoded_weight = i ? 100 : -HUGE_VAL;
        CHECK_INT(run(&j, &s, NULL, &r[i]), 0);
        CHECK(cost(&r[i], 1, STRENGTH, i ? 100 : 0) <= cost(&r[i], 0, STRENGTH, i ? 100 : 0));
    }
    CHECK(r[0].psnr_decoded[1][0] < r[1].psnr_decoded[1][0]);
    s.decoded_weight = -1e-300;
    SidelightOptimiseReport none;
    CHECK_INT(run(&j, &s, NULL, &none), 0);
    CHECK(!memcmp(&none, &r[0], sizeof none));
    job_free(&j);
}

/* Where nothing better is found, every byte stays. */
static void nothing_better(void)
{
    struct frame flat = frame_new(SIDELIGHT_LAYOUT_I422, 24, 18, 0, 8);
    for (int p = 0; p < 3; p++) {
        uint32_t columns, rows;
        layout_size(SIDELIGHT_LAYOUT_I422, p, 24, 18, &columns, &rows);
        for (uint32_t y = 0; y < rows; y++) memset(frame_row(&flat, p, y), 128, columns);
    }
    struct job j = job_of(flat, 50);
    const SidelightOptimiseSettings s = quick_settings();
    SidelightOptimiseReport r;
    CHECK_INT(run(&j, &s, NULL, &r), 0);
    CHECK_INT(r.changed, 0);
    CHECK(isinf(r.psnr_decoded[1][0]) && isinf(r.psnr_decoded[1][2]));
    check_report(&r);
    job_free(&j);
}

/* Coefficients of no encoder, and tables as coarse and as fine as there are. */
static void any_coefficients(void)
{
    static const uint16_t steps[] = {1, 16, 255, 65535};
    const uint32_t size = check_quick() ? 16 : 33;
    struct job j = job_new(SIDELIGHT_LAYOUT_I420, size, size, 5);
    SidelightOptimiseSettings s = quick_settings();
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i += check_quick() ? 3 : 1) {
        uint64_t state = 7 + i;
        for (int p = 0; p < 3; p++)
            for (uint32_t y = 0; y < j.before.rows[p]; y++)
                for (size_t k = 0; k < j.before.row[p] / sizeof(int16_t); k++) {
                    int16_t v = (int16_t)((int)(random_next(&state) % 2047) - 1023);
                    if (y % 2) v = v < 0 ? -1023 : 1023;
                    if (k % 64 == 0 && v == -1023) v = -1024;
                    coefficients_row(&j.before, p, y)[k] = v;
                }
        for (int k = 0; k < 128; k++) j.params.quant[k / 64][k % 64] = steps[i];
        SidelightOptimiseReport r;
        CHECK_INT(run(&j, &s, NULL, &r), 0);
        check_report(&r);
        for (int p = 0; p < 3; p++) CHECK(isfinite(r.psnr_filtered[1][p]) && r.psnr_filtered[1][p] > 0);
    }
    job_free(&j);
}

struct canceling {
    int calls, at;
    double last;
    bool sorted;
};

static int cancel_at(void *user, double fraction)
{
    struct canceling *c = user;
    c->sorted = c->sorted && fraction >= c->last && fraction <= 1;
    c->last = fraction;
    return ++c->calls >= c->at;
}

static void canceling(void)
{
    struct job j = job_new(SIDELIGHT_LAYOUT_I400, check_quick() ? 40 : 320, check_quick() ? 32 : 240, 6);
    SidelightOptimiseSettings s = quick_settings();
    SidelightOptimiseReport r, whole;
    struct canceling c = {.at = 1 << 30, .sorted = true};
    s.progress = cancel_at;
    s.progress_user = &c;
    REQUIRE(run(&j, &s, NULL, &whole) == 0);
    CHECK(c.sorted && c.last == 1 && c.calls >= 2);
    const int calls = c.calls;
    CHECK_INT(whole.changed, 1);

    c = (struct canceling){.at = 1, .sorted = true};
    CHECK_INT(run(&j, &s, NULL, &r), 0);
    CHECK_INT(c.calls, 1);
    CHECK_INT(r.changed, 0);
    check_report(&r);
    check_psnr("canceled at once", &j.original, (decode(&j.file, &j.decoded), &j.decoded), r.psnr_decoded[1]);

    for (int i = 1; i < 5; i += check_quick() ? 2 : 1) {
        c = (struct canceling){.at = 1 + calls * i / 4, .sorted = true};
        const int at = c.at;
        CHECK_INT(run(&j, &s, NULL, &r), 0);
        CHECK(c.calls <= at && c.sorted);
        check_report(&r);
        CHECK(cost(&r, 1, STRENGTH, DECODED) <= cost(&r, 0, STRENGTH, DECODED));
        if (r.changed) check_measured(&j, &j.after, NULL, &r, 1, false);
    }
    job_free(&j);

    /* In chroma, luma's coefficients are kept; what is behind the filter was not measured for all. */
    j = job_new(SIDELIGHT_LAYOUT_I444, check_quick() ? 17 : 160, check_quick() ? 17 : 120, 7);
    for (int at = 1; at < 64; at = check_quick() ? 8 * at : 2 * at + 1) {
        c = (struct canceling){.at = at, .sorted = true};
        CHECK_INT(run(&j, &s, NULL, &r), 0);
        check_report(&r);
        struct file file = exchange(&j.file, &j.after, true, false);
        decode(&file, &j.decoded);
        free(file.data);
        check_psnr("canceled", &j.original, &j.decoded, r.psnr_decoded[1]);
    }
    job_free(&j);
}

/* An encoder's payload for what came in. */
static SidelightBuffer encode(struct job *j, uint32_t steps, double slope, int want)
{
    SidelightEncoderSettings settings = {0};
    SidelightEncoder *encoder = NULL;
    SidelightBuffer payload = {0};
    SidelightReport report;
    SidelightCodecParams params = j->params;
    settings.model_size = SIDELIGHT_MODEL_SIZE_SMALL;
    settings.steps = steps;
    settings.no_update = !steps;
    params.slope_db_per_byte = slope;
    decode(&j->file, &j->decoded);
    REQUIRE(sidelight_encoder_open(&settings, &encoder) == 0);
    CHECK_INT(sidelight_encoder_encode(encoder, &j->original.picture, &j->decoded.picture, 1, &params, &payload,
                                       &report),
              0);
    CHECK_INT(report.mode, want);
    sidelight_encoder_close(&encoder);
    return payload;
}

static void payloads(void)
{
    for (int colour = 0; colour < 2; colour++) {
        struct job j = job_new(colour ? SIDELIGHT_LAYOUT_I420 : SIDELIGHT_LAYOUT_I400, check_quick() ? 24 : 64,
                               check_quick() ? 24 : 48, 8);
        SidelightOptimiseSettings s = quick_settings();
        SidelightOptimiseReport r, base;
        SidelightBuffer payload = encode(&j, check_quick() ? 6 : 20, 1e-6, SIDELIGHT_MODE_UPDATE);
        SidelightPayloadInfo info;
        CHECK_INT(sidelight_payload_probe(payload.data, payload.size, &info), 0);
        CHECK_INT(run(&j, &s, &payload, &r), 0);
        CHECK_INT(r.model, info.model);
        CHECK_INT(run(&j, &s, NULL, &base), 0);
        CHECK(r.psnr_filtered[0][0] > base.psnr_filtered[0][0]);
        CHECK_INT(run(&j, &s, &payload, &r), 0);
        check_report(&r);
        check_measured(&j, &j.before, &payload, &r, 0, false);
        check_measured(&j, &j.after, &payload, &r, 1, false);
        /* The payload names the model: the settings do not. */
        SidelightOptimiseReport other;
        s.model_size = SIDELIGHT_MODEL_SIZE_LARGE;
        CHECK_INT(run(&j, &s, &payload, &other), 0);
        CHECK(!memcmp(&r, &other, sizeof r));
        s = quick_settings();

        /* That of the base model is as none. */
        uint8_t bytes[8];
        base_payload(base.model, bytes);
        const SidelightBuffer of_base = {bytes, sizeof bytes};
        CHECK_INT(run(&j, &s, &of_base, &r), 0);
        CHECK(!memcmp(&r, &base, sizeof r));
        sidelight_buffer_unref(&payload);

        payload = encode(&j, 0, 1e3, SIDELIGHT_MODE_OFF);
        memset(&r, 0x5A, sizeof r);
        other = r;
        CHECK_INT(run(&j, &s, &payload, &r), INVALID);
        CHECK(coefficients_equal(&j.before, &j.after) && !memcmp(&r, &other, sizeof r));
        /* Of a model that there is none of, or that is for another codec. */
        base_payload(0xFEEDFACE, bytes);
        CHECK_INT(run(&j, &s, &of_base, &r), SIDELIGHT_ERROR_UNKNOWN_MODEL);
        sidelight_buffer_unref(&payload);
        const SidelightCodecParams jpeg = j.params, hevc = {.codec = SIDELIGHT_CODEC_HEVC, .qp = {38, 38, 38}};
        j.params = hevc;
        payload = encode(&j, 0, 1e-6, SIDELIGHT_MODE_BASE);
        j.params = jpeg;
        CHECK_INT(run(&j, &s, &payload, &r), SIDELIGHT_ERROR_STALE);
        CHECK(coefficients_equal(&j.before, &j.after) && !memcmp(&r, &other, sizeof r));
        sidelight_buffer_unref(&payload);
        job_free(&j);
    }
}

/* ---- targets ---- */

/* Arrays for a picture's targets, with a guard behind each. */
struct targets {
    SidelightTargets passed;
    size_t blocks[3];
};

static const float UNWRITTEN = -12345.5f;

static struct targets targets_new(const SidelightPicture *p)
{
    struct targets t = {0};
    for (int i = 0; i < layout_planes(p->layout); i++) {
        uint32_t columns, lines;
        layout_size(p->layout, i, p->width, p->height, &columns, &lines);
        t.blocks[i] = (size_t)((columns + 7) / 8) * ((lines + 7) / 8);
        float **arrays[] = {&t.passed.target[i], &t.passed.weight[i], &t.passed.error[i]};
        for (int k = 0; k < 3; k++) {
            const size_t count = t.blocks[i] * (k < 2 ? 64 : 1) + 1;
            *arrays[k] = malloc(count * sizeof(float));
            if (!*arrays[k]) abort();
            for (size_t n = 0; n < count; n++) (*arrays[k])[n] = UNWRITTEN;
        }
    }
    return t;
}

static void targets_free(struct targets *t)
{
    for (int i = 0; i < 3; i++) {
        free(t->passed.target[i]);
        free(t->passed.weight[i]);
        free(t->passed.error[i]);
    }
}

static int run_targets(struct job *j, const SidelightOptimiseSettings *s, const SidelightTargets *t)
{
    const int rc = sidelight_jpeg_targets(s, &j->original.picture, &j->params, NULL, 0, &j->before.passed, t);
    CHECK(coefficients_guards_hold(&j->before));
    return rc;
}

/* Targets of every layout: all that is asked for is written, and nothing behind it. */
static void targets(void)
{
    for (uint32_t layout = 0; layout < LAYOUTS; layout++) {
        struct job j = job_new(layout, 41, 19, 7);
        SidelightOptimiseSettings s = quick_settings();
        struct targets t = targets_new(&j.original.picture), u = targets_new(&j.original.picture);
        s.threads = 1;
        CHECK_INT(run_targets(&j, &s, &t.passed), 1);
        s.threads = 3;
        CHECK_INT(run_targets(&j, &s, &u.passed), 1);
        for (int i = 0; i < layout_planes(layout); i++) {
            const size_t n = t.blocks[i];
            bool good = true;
            for (size_t k = 0; k < 64 * n; k++)
                good = good && isfinite(t.passed.target[i][k]) && fabsf(t.passed.target[i][k]) < 40000 &&
                       t.passed.weight[i][k] > 0;
            for (size_t b = 0; b < n; b++) good = good && t.passed.error[i][b] >= 0;
            CHECK(good);
            CHECK(t.passed.target[i][64 * n] == UNWRITTEN && t.passed.weight[i][64 * n] == UNWRITTEN &&
                  t.passed.error[i][n] == UNWRITTEN);
            CHECK(!memcmp(t.passed.target[i], u.passed.target[i], (64 * n + 1) * sizeof(float)));
            CHECK(!memcmp(t.passed.weight[i], u.passed.weight[i], (64 * n + 1) * sizeof(float)));
            CHECK(!memcmp(t.passed.error[i], u.passed.error[i], (n + 1) * sizeof(float)));
        }
        /* What is not wanted. */
        SidelightTargets none = {0};
        CHECK_INT(run_targets(&j, &s, &none), 1);
        CHECK_INT(run_targets(&j, NULL, &none), 1);
        targets_free(&t);
        targets_free(&u);
        job_free(&j);
    }

    /* One block: its error is the picture's, as the report of an optimisation has it. */
    struct job j = job_new(SIDELIGHT_LAYOUT_I400, 8, 8, 8);
    SidelightOptimiseSettings s = quick_settings();
    SidelightOptimiseReport r;
    struct targets t = targets_new(&j.original.picture);
    CHECK_INT(run(&j, &s, NULL, &r), 0);
    CHECK_INT(run_targets(&j, &s, &t.passed), 1);
    CHECK(fabs(10 * log10(255.0 * 255 * 64 / t.passed.error[0][0]) - r.psnr_filtered[0][0]) < 1e-5);

    /* Canceled, it writes nothing. */
    struct canceling c = {.at = 1, .sorted = true};
    s.progress = cancel_at;
    s.progress_user = &c;
    t.passed.target[0][0] = t.passed.weight[0][0] = t.passed.error[0][0] = UNWRITTEN;
    CHECK_INT(run_targets(&j, &s, &t.passed), 0);
    CHECK_INT(c.calls, 1);
    CHECK(t.passed.target[0][0] == UNWRITTEN && t.passed.weight[0][0] == UNWRITTEN && t.passed.error[0][0] == UNWRITTEN);
    targets_free(&t);
    job_free(&j);
}

int main(void)
{
    layouts();
    same_bytes();
    defaults();
    weights();
    nothing_better();
    any_coefficients();
    canceling();
    payloads();
    targets();
    return check_finish();
}
