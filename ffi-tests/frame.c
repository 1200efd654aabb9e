#include "frame.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int layout_planes(uint32_t layout)
{
    return layout == SIDELIGHT_LAYOUT_I400 ? 1 : 3;
}

void layout_size(uint32_t layout, int plane, uint32_t width, uint32_t height, uint32_t *columns,
                 uint32_t *rows)
{
    const uint32_t across = plane ? columns_per_chroma(layout) : 1;
    const uint32_t down = plane ? rows_per_chroma(layout) : 1;
    *columns = (width + across - 1) / across;
    *rows = (height + down - 1) / down;
}

uint32_t columns_per_chroma(uint32_t layout)
{
    static const uint32_t all[LAYOUTS] = {1, 2, 2, 1, 1, 4};
    return all[layout];
}

uint32_t rows_per_chroma(uint32_t layout)
{
    static const uint32_t all[LAYOUTS] = {1, 2, 1, 1, 2, 1};
    return all[layout];
}

struct frame frame_new(uint32_t layout, uint32_t width, uint32_t height, size_t padding,
                       size_t guard)
{
    struct frame f = {
        .picture = {.width = width,
                    .height = height,
                    .layout = layout,
                    .bit_depth = 8},
        .guard = guard,
    };
    for (int i = 0; i < layout_planes(layout); i++) {
        uint32_t columns, rows;
        layout_size(layout, i, width, height, &columns, &rows);
        const size_t stride = columns + padding;
        f.bytes[i] = guard + stride * (rows - 1) + columns + guard;
        f.memory[i] = malloc(f.bytes[i]);
        if (!f.memory[i]) {
            fprintf(stderr, "out of memory\n");
            abort();
        }
        f.picture.data[i] = f.memory[i] + guard;
        f.picture.stride[i] = (ptrdiff_t)stride;
    }
    frame_clear(&f);
    return f;
}

void frame_free(struct frame *f)
{
    for (int i = 0; i < 3; i++) free(f->memory[i]);
    *f = (struct frame){0};
}

void frame_clear(struct frame *f)
{
    for (int i = 0; i < 3; i++) {
        if (f->memory[i]) memset(f->memory[i], FRAME_GUARD, f->bytes[i]);
    }
}

static bool all_guard(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != FRAME_GUARD) return false;
    }
    return true;
}

bool frame_is_clear(const struct frame *f)
{
    for (int i = 0; i < 3; i++) {
        if (f->memory[i] && !all_guard(f->memory[i], f->bytes[i])) return false;
    }
    return true;
}

bool frame_guards_hold(const struct frame *f)
{
    for (int i = 0; i < 3; i++) {
        if (!f->memory[i]) continue;
        uint32_t columns, rows;
        layout_size(f->picture.layout, i, f->picture.width, f->picture.height, &columns, &rows);
        const uint8_t *at = f->memory[i];
        size_t gap = f->guard;
        for (uint32_t y = 0; y < rows; y++) {
            if (!all_guard(at, gap)) return false;
            at += gap + columns;
            gap = (size_t)f->picture.stride[i] - columns;
        }
        if (!all_guard(at, f->guard)) return false;
    }
    return true;
}

uint8_t *frame_row(const struct frame *f, int plane, uint32_t row)
{
    return (uint8_t *)f->picture.data[plane] + (size_t)f->picture.stride[plane] * row;
}

void frame_copy(struct frame *to, const struct frame *from)
{
    const SidelightPicture *p = &from->picture;
    for (int i = 0; i < layout_planes(p->layout); i++) {
        uint32_t columns, rows;
        layout_size(p->layout, i, p->width, p->height, &columns, &rows);
        for (uint32_t y = 0; y < rows; y++) memcpy(frame_row(to, i, y), frame_row(from, i, y), columns);
    }
}

bool frame_plane_equal(const struct frame *a, const struct frame *b, int plane)
{
    const SidelightPicture *p = &a->picture;
    uint32_t columns, rows;
    layout_size(p->layout, plane, p->width, p->height, &columns, &rows);
    for (uint32_t y = 0; y < rows; y++) {
        if (memcmp(frame_row(a, plane, y), frame_row(b, plane, y), columns)) return false;
    }
    return true;
}

bool frame_equal(const struct frame *a, const struct frame *b, int first)
{
    for (int i = first; i < layout_planes(a->picture.layout); i++) {
        if (!frame_plane_equal(a, b, i)) return false;
    }
    return true;
}

void frame_paint(struct frame *f, uint32_t seed)
{
    const SidelightPicture *p = &f->picture;
    uint64_t state = 0x9E3779B97F4A7C15u ^ seed;
    const double turn = 0.35 + 0.4 * seed;
    for (int i = 0; i < layout_planes(p->layout); i++) {
        uint32_t columns, rows;
        layout_size(p->layout, i, p->width, p->height, &columns, &rows);
        for (uint32_t y = 0; y < rows; y++) {
            uint8_t *row = frame_row(f, i, y);
            for (uint32_t x = 0; x < columns; x++) {
                double v = 110 + 50 * sin(0.045 * x + turn) * cos(0.037 * y - turn);
                if (i == 0) {
                    /* A dark slanted bar, a bright disc and a textured corner. */
                    const double across = x * cos(turn) + y * sin(turn);
                    if (fmod(across + 200, 61) < 9) v -= 55;
                    const double dx = x - 0.6 * columns, dy = y - 0.4 * rows;
                    if (dx * dx + dy * dy < 0.04 * rows * rows) v += 60;
                    if (x * 2 > columns && y * 2 > rows) v += 14 * sin(0.9 * x + 0.5 * y);
                    v += (int)(random_next(&state) % 7) - 3;
                }
                row[x] = (uint8_t)fmin(fmax(v, 0), 255);
            }
        }
    }
}

double frame_psnr(const struct frame *a, const struct frame *b, int plane)
{
    const SidelightPicture *p = &a->picture;
    uint32_t columns, rows;
    layout_size(p->layout, plane, p->width, p->height, &columns, &rows);
    uint64_t sum = 0;
    for (uint32_t y = 0; y < rows; y++) {
        const uint8_t *s = frame_row(a, plane, y), *t = frame_row(b, plane, y);
        for (uint32_t x = 0; x < columns; x++) sum += (uint64_t)((s[x] - t[x]) * (s[x] - t[x]));
    }
    if (!sum) return INFINITY;
    const double mse = (double)sum / ((double)columns * rows);
    return 10 * log10(255.0 * 255.0 / mse);
}

uint32_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 32);
}
