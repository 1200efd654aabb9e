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

SidelightCodecParams plain_params(void)
{
    /* T.81, table K.1. */
    static const uint8_t luma[64] = {
        16, 11, 10, 16, 24,  40,  51,  61,  12, 12, 14, 19, 26,  58,  60,  55,
        14, 13, 16, 24, 40,  57,  69,  56,  14, 17, 22, 29, 51,  87,  80,  62,
        18, 22, 37, 56, 68,  109, 103, 77,  24, 35, 55, 64, 81,  104, 113, 92,
        49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    };
    SidelightCodecParams params = {.codec = SIDELIGHT_CODEC_JPEG};
    for (int i = 0; i < 64; i++) {
        const int step = luma[i] * 5 / 2;
        params.quant[0][i] = (uint16_t)(step > 255 ? 255 : step);
    }
    return params;
}

void payload_repair(uint8_t *payload, size_t size, uint64_t context)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < 8 + size; i++) {
        uint8_t byte;
        if (i < 8) byte = (uint8_t)(context >> 8 * i);
        else byte = i - 8 >= 5 && i - 8 < 8 ? 0 : payload[i - 8];
        hash = (hash ^ byte) * 0x100000001B3u;
    }
    const uint16_t binding = (uint16_t)(hash ^ hash >> 16 ^ hash >> 32 ^ hash >> 48);
    payload[6] = (uint8_t)binding;
    payload[7] = (uint8_t)(binding >> 8);

    uint8_t crc = 0xFF;
    for (size_t i = 0; i < size; i++) {
        crc ^= i == 5 ? 0 : payload[i];
        for (int bit = 0; bit < 8; bit++) crc = (uint8_t)(crc << 1 ^ (crc >= 0x80 ? 0x2F : 0));
    }
    payload[5] = crc;
}
