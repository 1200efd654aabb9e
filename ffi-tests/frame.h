/* Pictures with guarded memory. */
#ifndef FRAME_H
#define FRAME_H

#include "sidelight.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What fills every byte that is no sample. */
enum { FRAME_GUARD = 0xA5 };

/* A picture and the memory of its planes: each stands alone, between guard bytes. */
struct frame {
    SidelightPicture picture;
    uint8_t *memory[3];
    size_t bytes[3];
    size_t guard;
};

/* SidelightLayouts are 0 to LAYOUTS - 1. */
enum { LAYOUTS = SIDELIGHT_LAYOUT_I411 + 1 };

/* Luma columns and rows for each of a colour layout's chroma. */
uint32_t columns_per_chroma(uint32_t layout);
uint32_t rows_per_chroma(uint32_t layout);

/* Planes, columns and rows of a layout. */
int layout_planes(uint32_t layout);
void layout_size(uint32_t layout, int plane, uint32_t width, uint32_t height, uint32_t *columns,
                 uint32_t *rows);

/* A frame whose rows have `padding` bytes between them (none after the last) and whose planes have
 * `guard` bytes on either side; with 0 a memory checker sees any access beyond the samples. Samples
 * and guards hold FRAME_GUARD. */
struct frame frame_new(uint32_t layout, uint32_t width, uint32_t height, size_t padding,
                       size_t guard);
void frame_free(struct frame *f);

/* All bytes back to FRAME_GUARD. */
void frame_clear(struct frame *f);
/* Whether all bytes, or all that are no samples, hold FRAME_GUARD. */
bool frame_is_clear(const struct frame *f);
bool frame_guards_hold(const struct frame *f);

uint8_t *frame_row(const struct frame *f, int plane, uint32_t row);
/* Copies the samples of a frame of the same shape. */
void frame_copy(struct frame *to, const struct frame *from);
/* Whether planes `first`.. have equal samples. */
bool frame_equal(const struct frame *a, const struct frame *b, int first);
bool frame_plane_equal(const struct frame *a, const struct frame *b, int plane);

/* Something like a photograph: soft shading, edges of several directions, fine texture in a part
 * and a little noise. `seed` gives other pictures. */
void frame_paint(struct frame *f, uint32_t seed);

/* PSNR of a plane in dB. */
double frame_psnr(const struct frame *a, const struct frame *b, int plane);

/* A small random generator (xorshift). */
uint32_t random_next(uint64_t *state);

#endif
