/* What a payload in a JPEG file is bound to, against the same from libjpeg's coefficients; lossless recoding keeps it.
 * And what tells whether planes are those of the accurate transform, against libjpeg's three. */
#include "check.h"
#include "frame.h"

#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

struct file {
    uint8_t *data;
    unsigned long size;
};

/* A way to write the same coefficients. */
enum style { STANDARD, OPTIMISED, ROWS, RESTARTS, PLANAR, PROGRESSIVE, FINE, FINE_RESTARTS, STYLES };

static const char *const NAMES[] = {"standard", "optimised",   "restarts at rows", "restarts",
                                    "planar",   "progressive", "fine",             "fine, restarts"};

/* DC and AC of each component down to the last bit in as many scans as there can be for a few bands. */
static int fine_scans(int components, jpeg_scan_info *scans)
{
    static const int bands[][2] = {{1, 1}, {2, 5}, {6, 63}};
    jpeg_scan_info dc = {.comps_in_scan = components};
    int count = 0;
    for (int c = 0; c < components; c++) dc.component_index[c] = c;
    for (int low = 3; low >= 0; low--) {
        dc.Ah = low < 3 ? low + 1 : 0;
        dc.Al = low;
        scans[count++] = dc;
        for (int c = 0; c < components; c++)
            for (int b = 0; b < 3; b++)
                scans[count++] = (jpeg_scan_info){.comps_in_scan = 1,
                                                  .component_index = {c},
                                                  .Ss = bands[b][0],
                                                  .Se = bands[b][1],
                                                  .Ah = dc.Ah,
                                                  .Al = low};
    }
    return count;
}

static int planar_scans(int components, jpeg_scan_info *scans)
{
    for (int c = 0; c < components; c++)
        scans[c] = (jpeg_scan_info){.comps_in_scan = 1, .component_index = {components - 1 - c}, .Se = 63};
    return components;
}

static void set_style(struct jpeg_compress_struct *jpeg, enum style style, jpeg_scan_info *scans)
{
    jpeg->optimize_coding = style != STANDARD;
    jpeg->restart_interval = style == RESTARTS ? 3 : style == FINE_RESTARTS ? 5 : 0;
    jpeg->restart_in_rows = style == ROWS;
    if (style == PROGRESSIVE) jpeg_simple_progression(jpeg);
    if (style == PLANAR || style == FINE || style == FINE_RESTARTS) {
        jpeg->num_scans = (style == PLANAR ? planar_scans : fine_scans)(jpeg->num_components, scans);
        jpeg->scan_info = scans;
    }
}

/* Tables of more than 8 bits are meant. */
static void quiet(j_common_ptr jpeg, int level)
{
    (void)jpeg, (void)level;
}

/* Codes a picture of random texture: noise of an amplitude that changes from block to block. */
static struct file code(uint32_t width, uint32_t height, int components, int h, int v, int quality, uint32_t seed)
{
    struct file file = {0};
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    errors.emit_message = quiet;
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &file.data, &file.size);
    jpeg.image_width = width;
    jpeg.image_height = height;
    jpeg.input_components = components;
    jpeg.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_YCbCr : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality, FALSE);
    jpeg.comp_info[0].h_samp_factor = h;
    jpeg.comp_info[0].v_samp_factor = v;
    jpeg_start_compress(&jpeg, TRUE);
    uint64_t state = seed;
    uint8_t *row = malloc((size_t)width * (size_t)components);
    if (!row) abort();
    while (jpeg.next_scanline < height) {
        for (uint32_t x = 0; x < width; x++) {
            const uint32_t amplitude = (x / 24 + jpeg.next_scanline / 16) % 4 * 85;
            for (int c = 0; c < components; c++) {
                const uint32_t shade = (x * 5 + jpeg.next_scanline * 3 * (uint32_t)(c + 1)) % 256;
                const uint32_t noise = random_next(&state) % 256;
                row[x * (uint32_t)components + (uint32_t)c] =
                    (uint8_t)((shade * (255 - amplitude) + noise * amplitude) / 255);
            }
        }
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    free(row);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return file;
}

static struct file recode(const struct file *file, enum style style)
{
    struct file out = {0};
    struct jpeg_decompress_struct in;
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg_scan_info scans[80];
    in.err = jpeg.err = jpeg_std_error(&errors);
    errors.emit_message = quiet;
    jpeg_create_decompress(&in);
    jpeg_mem_src(&in, file->data, file->size);
    jpeg_read_header(&in, TRUE);
    jvirt_barray_ptr *arrays = jpeg_read_coefficients(&in);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &out.data, &out.size);
    jpeg_copy_critical_parameters(&in, &jpeg);
    set_style(&jpeg, style, scans);
    jpeg_write_coefficients(&jpeg, arrays);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    jpeg_finish_decompress(&in);
    jpeg_destroy_decompress(&in);
    return out;
}

static uint64_t mix(uint64_t seed)
{
    uint64_t z = seed + 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static void fnv(uint64_t *hash, uint32_t value, int bytes)
{
    while (bytes-- > 0) *hash = (*hash ^ (value >> 8 * bytes & 255)) * 0x100000001B3u;
}

/* As docs/carriage-jpeg.md has it. */
static uint64_t binding(const struct file *file)
{
    struct jpeg_decompress_struct in;
    struct jpeg_error_mgr errors;
    in.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&in);
    jpeg_mem_src(&in, file->data, file->size);
    jpeg_read_header(&in, TRUE);
    jvirt_barray_ptr *arrays = jpeg_read_coefficients(&in);
    uint64_t hash = 0xCBF29CE484222325u, sum = 0;
    fnv(&hash, in.image_width, 2);
    fnv(&hash, in.image_height, 2);
    fnv(&hash, (uint32_t)in.num_components, 1);
    for (int c = 0; c < in.num_components; c++) {
        const jpeg_component_info *info = &in.comp_info[c];
        /* Of one component alone the factors mean nothing. */
        const int factors = in.num_components > 1 ? info->h_samp_factor << 4 | info->v_samp_factor : 0x11;
        fnv(&hash, (uint32_t)factors, 1);
        for (int k = 0; k < 64; k++) fnv(&hash, info->quant_table->quantval[k], 2);
        for (uint32_t y = 0; y < info->height_in_blocks; y++) {
            JBLOCKARRAY row = in.mem->access_virt_barray((j_common_ptr)&in, arrays[c], y, 1, FALSE);
            for (uint32_t x = 0; x < info->width_in_blocks; x++) {
                uint64_t block = 0;
                for (uint64_t k = 0; k < 64; k++) block += (uint64_t)(int64_t)row[0][x][k] * mix(k);
                const uint64_t index = (uint64_t)y * info->width_in_blocks + x;
                sum += block * (mix((uint64_t)(c + 1) << 32 | index) | 1);
            }
        }
    }
    jpeg_finish_decompress(&in);
    jpeg_destroy_decompress(&in);
    return mix(hash ^ sum);
}

static uint64_t read_binding(const struct file *file)
{
    SidelightCodecParams params = {0};
    CHECK_INT(sidelight_jpeg_read(file->data, file->size, &params, NULL), 0);
    return params.binding;
}

static void recoding(void)
{
    static const struct {
        uint32_t width, height;
        int components, h, v, quality;
    } pictures[] = {
        {40, 40, 1, 1, 1, 60},  {61, 45, 3, 2, 2, 75}, {9, 23, 3, 2, 1, 90},   {83, 31, 3, 1, 2, 30},
        {50, 33, 3, 1, 1, 100}, {70, 20, 3, 4, 1, 85}, {130, 70, 3, 2, 2, 98}, {33, 65, 4, 2, 2, 50},
        {40, 24, 1, 2, 2, 80},  {600, 9, 3, 2, 2, 5},  {5, 700, 1, 1, 1, 1},   {1, 1, 3, 2, 2, 50},
    };
    for (size_t i = 0; i < sizeof pictures / sizeof pictures[0]; i += check_quick() ? 3 : 1) {
        struct file file = code(pictures[i].width, pictures[i].height, pictures[i].components, pictures[i].h,
                                pictures[i].v, pictures[i].quality, 77 + (uint32_t)i);
        const uint64_t want = binding(&file);
        CHECK(read_binding(&file) == want);
        for (int style = 0; style < STYLES; style++) {
            struct file other = recode(&file, style);
            check_that(read_binding(&other) == want, __FILE__, __LINE__, "picture %zu, %s", i, NAMES[style]);
            /* What is cut off or damaged is another picture. */
            const unsigned long size = other.size;
            other.size -= 2;
            CHECK(read_binding(&other) == want); /* EOI alone */
            other.size = size - (size - 600) / 3;
            if (size > 2000) CHECK(read_binding(&other) != want);
            other.size = size;
            /* In a scan that has no blocks beyond the edges, every bit but the last few counts. */
            for (unsigned long at = size - 8; style == PLANAR && size > 2000 && at > size - 400; at -= 23) {
                if (other.data[at] == 0xFF || other.data[at - 1] == 0xFF) continue;
                other.data[at] ^= 0x10;
                if (other.data[at] != 0xFF) CHECK(read_binding(&other) != want);
                other.data[at] ^= 0x10;
            }
            free(other.data);
        }
        free(file.data);
    }
}

/* Decodes the planes, of 4:2:0. */
static void decode(const struct file *file, struct frame *f, J_DCT_METHOD method)
{
    enum { WIDE = 304, HIGH = 240 };
    static uint8_t planes[3][HIGH][WIDE];
    JSAMPROW rows[3][HIGH];
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, file->data, file->size);
    jpeg_read_header(&jpeg, TRUE);
    jpeg.dct_method = method;
    jpeg.raw_data_out = TRUE;
    jpeg_start_decompress(&jpeg);
    for (int p = 0; p < 3; p++)
        for (int y = 0; y < HIGH; y++) rows[p][y] = planes[p][y];
    while (jpeg.output_scanline < jpeg.output_height) {
        const uint32_t y = jpeg.output_scanline;
        JSAMPARRAY at[3] = {rows[0] + y, rows[1] + y / 2, rows[2] + y / 2};
        jpeg_read_raw_data(&jpeg, at, 16);
    }
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    for (int p = 0; p < 3; p++) {
        uint32_t columns, lines;
        layout_size(SIDELIGHT_LAYOUT_I420, p, f->picture.width, f->picture.height, &columns, &lines);
        for (uint32_t y = 0; y < lines; y++) memcpy(frame_row(f, p, y), planes[p][y], columns);
    }
}

static void transforms(void)
{
    enum { WIDTH = 291, HEIGHT = 233 };
    struct frame f = frame_new(SIDELIGHT_LAYOUT_I420, WIDTH, HEIGHT, 3, 8);
    for (int style = 0; style < STYLES; style += check_quick() ? 5 : 1) {
        struct file coded = code(WIDTH, HEIGHT, 3, 2, 2, 92, 5), file = recode(&coded, style);
        decode(&file, &f, JDCT_ISLOW);
        CHECK_INT(sidelight_jpeg_check_planes(file.data, file.size, &f.picture), 0);
        decode(&file, &f, JDCT_FLOAT);
        CHECK(sidelight_jpeg_check_planes(file.data, file.size, &f.picture) <= 1);
        decode(&file, &f, JDCT_IFAST);
        const int fast = sidelight_jpeg_check_planes(file.data, file.size, &f.picture);
        CHECK(fast > 1 && fast < 30);
        decode(&file, &f, JDCT_ISLOW);
        frame_row(&f, 1, 0)[0] ^= 0x80; /* the first block of each plane is always looked at */
        CHECK_INT(sidelight_jpeg_check_planes(file.data, file.size, &f.picture), 128);
        CHECK_INT(sidelight_jpeg_check_planes(file.data, file.size * 2 / 3, &f.picture), SIDELIGHT_ERROR_CORRUPT);
        f.picture.width--;
        CHECK_INT(sidelight_jpeg_check_planes(file.data, file.size, &f.picture), SIDELIGHT_ERROR_INVALID_ARGUMENT);
        f.picture.width++;
        free(coded.data);
        free(file.data);
    }
    frame_free(&f);
}

int main(void)
{
    recoding();
    transforms();
    return check_finish();
}
