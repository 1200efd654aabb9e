#include "coded.h"

#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

/* Codes a plane as a gray JPEG file. */
static uint8_t *compress(const struct frame *f, int plane, int quality, size_t *bytes)
{
    uint8_t *file = NULL;
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    unsigned long size = 0;
    jpeg_mem_dest(&jpeg, &file, &size);
    layout_size(f->picture.layout, plane, f->picture.width, f->picture.height, &jpeg.image_width,
                &jpeg.image_height);
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW row = frame_row(f, plane, jpeg.next_scanline);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    *bytes = size;
    return file;
}

static void decompress(const uint8_t *file, size_t size, struct frame *f, int plane)
{
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, file, size);
    jpeg_read_header(&jpeg, TRUE);
    jpeg.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&jpeg);
    while (jpeg.output_scanline < jpeg.output_height) {
        JSAMPROW row = frame_row(f, plane, jpeg.output_scanline);
        jpeg_read_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
}

struct coded coded_new(uint32_t layout, uint32_t width, uint32_t height, uint32_t seed, int quality)
{
    struct coded c = {
        .original = frame_new(layout, width, height, 5, 0),
        .decoded = frame_new(layout, width, height, 3, 0),
    };
    frame_paint(&c.original, seed);
    for (int p = 0; p < layout_planes(layout); p++) {
        size_t size;
        uint8_t *file = compress(&c.original, p, quality, &size);
        decompress(file, size, &c.decoded, p);
        if (p == 0) {
            c.jpeg = file;
            c.jpeg_size = size;
        } else {
            free(file);
        }
    }
    if (sidelight_jpeg_read(c.jpeg, c.jpeg_size, &c.params, NULL)) {
        fprintf(stderr, "no codec parameters from libjpeg's file\n");
        abort();
    }
    return c;
}

void coded_free(struct coded *c)
{
    frame_free(&c->original);
    frame_free(&c->decoded);
    free(c->jpeg);
    *c = (struct coded){0};
}
