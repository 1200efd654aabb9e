#include "video_io.h"

#include "picture_io.h"

#include <errno.h>
#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>
#include <stdlib.h>
#include <string.h>

/* ---- planes ---- */

int plane_count(const SidelightPicture *p) {
  return p->layout == SIDELIGHT_LAYOUT_I400 ? 1 : 3;
}

size_t plane_row_bytes(const SidelightPicture *p, int i) {
  int halved = i > 0 && (p->layout == SIDELIGHT_LAYOUT_I420 || p->layout == SIDELIGHT_LAYOUT_I422);
  size_t columns = halved ? (p->width + 1) / 2 : p->width;
  return p->bit_depth > 8 ? 2 * columns : columns;
}

uint32_t plane_rows(const SidelightPicture *p, int i) {
  return i > 0 && p->layout == SIDELIGHT_LAYOUT_I420 ? (p->height + 1) / 2 : p->height;
}

const uint8_t *plane_row(const SidelightPicture *p, int i, uint32_t y) {
  return (const uint8_t *)p->data[i] + (ptrdiff_t)y * p->stride[i];
}

int video_picture(const VideoFormat *format, VideoPicture *out) {
  memset(out, 0, sizeof *out);
  SidelightPicture *p = &out->picture;
  p->width = format->width;
  p->height = format->height;
  p->layout = format->layout;
  p->bit_depth = format->bit_depth;
  size_t offset[3] = {0}, total = 0;
  for (int i = 0; i < plane_count(p); i++) {
    p->stride[i] = (ptrdiff_t)plane_row_bytes(p, i);
    offset[i] = total;
    total += (size_t)p->stride[i] * plane_rows(p, i);
  }
  out->memory = malloc(total);
  if (!out->memory) {
    fprintf(stderr, "out of memory\n");
    return 0;
  }
  for (int i = 0; i < plane_count(p); i++)
    p->data[i] = out->memory + offset[i];
  return 1;
}

void video_picture_free(VideoPicture *p) {
  free(p->memory);
  memset(p, 0, sizeof *p);
}

/* ---- YUV4MPEG2 ---- */

/* Longest header of a file or a picture, more than any program writes. */
#define MAX_LINE 1024

typedef struct Colour {
  const char *name;
  uint32_t layout, bit_depth;
} Colour;

/* Where names mean the same, the first is written. */
static const Colour colours[] = {
    {"420jpeg", SIDELIGHT_LAYOUT_I420, 8},  {"420mpeg2", SIDELIGHT_LAYOUT_I420, 8},
    {"420paldv", SIDELIGHT_LAYOUT_I420, 8}, {"420", SIDELIGHT_LAYOUT_I420, 8},
    {"422", SIDELIGHT_LAYOUT_I422, 8},      {"444", SIDELIGHT_LAYOUT_I444, 8},
    {"mono", SIDELIGHT_LAYOUT_I400, 8},     {"420p10", SIDELIGHT_LAYOUT_I420, 10},
    {"422p10", SIDELIGHT_LAYOUT_I422, 10},  {"444p10", SIDELIGHT_LAYOUT_I444, 10},
    {"mono10", SIDELIGHT_LAYOUT_I400, 10},  {"420p12", SIDELIGHT_LAYOUT_I420, 12},
    {"422p12", SIDELIGHT_LAYOUT_I422, 12},  {"444p12", SIDELIGHT_LAYOUT_I444, 12},
    {"mono12", SIDELIGHT_LAYOUT_I400, 12},
};
#define COLOURS (sizeof colours / sizeof *colours)

/* A line without its end. 1; 0 if there is nothing left; -1 if it is cut off, too long or has a NUL. */
static int read_line(FILE *f, char line[MAX_LINE]) {
  int n = 0, c;
  while ((c = fgetc(f)) != '\n') {
    if (c == EOF)
      return n == 0 && !ferror(f) ? 0 : -1;
    if (c == '\0' || n == MAX_LINE - 1)
      return -1;
    line[n++] = (char)c;
  }
  line[n] = '\0';
  return 1;
}

/* A number and nothing behind it but `end`; -1 if it is none or too large. */
static long number(const char **text, char end) {
  long n = 0;
  const char *t = *text;
  for (; *t >= '0' && *t <= '9' && n < 100000000; t++)
    n = 10 * n + (*t - '0');
  if (t == *text || *t != end)
    return -1;
  *text = end ? t + 1 : t;
  return n;
}

/* A ratio; zeros stand for an unknown one. */
static int ratio(const char *text, uint32_t *a, uint32_t *b) {
  long n = number(&text, ':'), d = n < 0 ? -1 : number(&text, '\0');
  if (n < 0 || d < 0 || (n == 0) != (d == 0))
    return 0;
  *a = (uint32_t)n;
  *b = (uint32_t)d;
  return 1;
}

/* One parameter of the file's header; 0 if it is not good. */
static int parameter(const char *text, VideoFormat *v) {
  const char *value = text + 1;
  long n;
  switch (*text) {
  case 'W':
  case 'H':
    n = number(&value, '\0');
    if (n < 1 || n > 65535)
      return 0;
    *(*text == 'W' ? &v->width : &v->height) = (uint32_t)n;
    return 1;
  case 'F':
    return ratio(value, &v->rate, &v->scale);
  case 'A':
    return ratio(value, &v->aspect[0], &v->aspect[1]);
  case 'I':
    return strcmp(value, "p") == 0 || strcmp(value, "?") == 0;
  case 'C':
    for (size_t i = 0; i < COLOURS; i++) {
      if (strcmp(value, colours[i].name) == 0) {
        v->layout = colours[i].layout;
        v->bit_depth = colours[i].bit_depth;
        return 1;
      }
    }
    return 0;
  case 'X':
    if (strcmp(value, "COLORRANGE=FULL") == 0)
      v->full_range = 1;
    else if (strcmp(value, "COLORRANGE=LIMITED") == 0)
      v->full_range = 0;
    return 1;
  default:
    return 1;
  }
}

static int read_header(Y4mReader *r) {
  VideoFormat *v = &r->format;
  *v = (VideoFormat){.layout = SIDELIGHT_LAYOUT_I420, .bit_depth = 8, .full_range = -1};
  char line[MAX_LINE];
  int got = read_line(r->file, line);
  if (got <= 0 || strncmp(line, "YUV4MPEG2", 9) != 0 || (line[9] != ' ' && line[9] != '\0')) {
    fprintf(stderr, "%s: %s\n", r->path, ferror(r->file) ? strerror(errno) : "not a YUV4MPEG2 file");
    return 0;
  }
  char *rest = NULL;
  for (char *word = strtok_r(line + 9, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
    if (!parameter(word, v)) {
      fprintf(stderr, "%s: parameter '%s' is not supported\n", r->path, word);
      return 0;
    }
  }
  if (v->rate == 0) {
    v->rate = 25;
    v->scale = 1;
  }
  if (v->width == 0 || v->height == 0) {
    fprintf(stderr, "%s: no size in the header\n", r->path);
    return 0;
  }
  if ((size_t)v->width * v->height > MAX_PIXELS) {
    fprintf(stderr, "%s: more than %zu pixels\n", r->path, MAX_PIXELS);
    return 0;
  }
  return 1;
}

int y4m_open(Y4mReader *reader, const char *path) {
  memset(reader, 0, sizeof *reader);
  int standard = strcmp(path, "-") == 0;
  reader->path = standard ? "standard input" : path;
  reader->file = standard ? stdin : fopen(path, "rb");
  if (!reader->file) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return 0;
  }
  if (read_header(reader))
    return 1;
  y4m_close(reader);
  return 0;
}

void y4m_close(Y4mReader *reader) {
  if (reader->file && reader->file != stdin)
    fclose(reader->file);
  reader->file = NULL;
}

/* Samples of 16 bits are little-endian in files. */
static int swapped(const SidelightPicture *p) {
  const uint16_t one = 1;
  return p->bit_depth > 8 && *(const uint8_t *)&one == 0;
}

static void swap(uint8_t *row, size_t bytes) {
  for (size_t i = 0; i + 1 < bytes; i += 2) {
    uint8_t low = row[i];
    row[i] = row[i + 1];
    row[i + 1] = low;
  }
}

int y4m_read(Y4mReader *reader, VideoPicture *out) {
  char line[MAX_LINE];
  FILE *f = reader->file;
  int got = read_line(f, line);
  if (got == 0)
    return 0;
  if (got < 0 || strncmp(line, "FRAME", 5) != 0 || (line[5] != ' ' && line[5] != '\0')) {
    fprintf(stderr, "%s: %s\n", reader->path, ferror(f) ? strerror(errno) : "damaged: no picture begins");
    return -1;
  }
  if (!video_picture(&reader->format, out))
    return -1;
  const SidelightPicture *p = &out->picture;
  for (int i = 0; i < plane_count(p); i++) {
    size_t bytes = plane_row_bytes(p, i);
    for (uint32_t y = 0; y < plane_rows(p, i); y++) {
      uint8_t *row = (uint8_t *)p->data[i] + (ptrdiff_t)y * p->stride[i];
      if (fread(row, 1, bytes, f) != bytes) {
        fprintf(stderr, "%s: %s\n", reader->path, ferror(f) ? strerror(errno) : "truncated");
        video_picture_free(out);
        return -1;
      }
      if (swapped(p))
        swap(row, bytes);
    }
  }
  return 1;
}

void y4m_write_header(FILE *f, const VideoFormat *v) {
  size_t i = 0;
  while (i < COLOURS - 1 && (colours[i].layout != v->layout || colours[i].bit_depth != v->bit_depth))
    i++;
  fprintf(f, "YUV4MPEG2 W%u H%u F%u:%u Ip A%u:%u C%s XCOLORRANGE=%s\n", v->width, v->height, v->rate,
          v->scale, v->aspect[0], v->aspect[1], colours[i].name,
          v->full_range > 0 ? "FULL" : "LIMITED");
}

void y4m_write_picture(FILE *f, const SidelightPicture *p) {
  fputs("FRAME\n", f);
  for (int i = 0; i < plane_count(p); i++) {
    size_t bytes = plane_row_bytes(p, i);
    for (uint32_t y = 0; y < plane_rows(p, i); y++) {
      const uint8_t *row = plane_row(p, i, y);
      if (!swapped(p)) {
        fwrite(row, 1, bytes, f);
        continue;
      }
      for (size_t x = 0; x < bytes; x += 2) {
        fputc(row[x + 1], f);
        fputc(row[x], f);
      }
    }
  }
}

/* ---- libavcodec ---- */

static int is_key(const AVFrame *frame) {
#ifdef AV_FRAME_FLAG_KEY
  return (frame->flags & AV_FRAME_FLAG_KEY) != 0;
#else
  return frame->key_frame;
#endif
}

static uint32_t type_of(const AVFrame *frame) {
  if (is_key(frame))
    return SIDELIGHT_PICTURE_TYPE_IRAP;
  switch (frame->pict_type) {
  case AV_PICTURE_TYPE_I:
    return SIDELIGHT_PICTURE_TYPE_I;
  case AV_PICTURE_TYPE_P:
    return SIDELIGHT_PICTURE_TYPE_P;
  default:
    return SIDELIGHT_PICTURE_TYPE_B;
  }
}

int picture_of_frame(const AVFrame *frame, SidelightPicture *p) {
  const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(frame->format);
  memset(p, 0, sizeof *p);
  uint64_t others = AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_ALPHA | AV_PIX_FMT_FLAG_PAL |
                    AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_FLOAT;
  if (!d || (d->flags & others) || (d->nb_components != 1 && d->nb_components != 3))
    return 0;
  int depth = d->comp[0].depth;
  if (depth != 8 && depth != 10 && depth != 12)
    return 0;
  int native = depth == 8 || !(d->flags & AV_PIX_FMT_FLAG_BE) == (*(const uint8_t *)&(uint16_t){1} == 1);
  for (int i = 0; i < d->nb_components; i++)
    native = native && d->comp[i].plane == i && d->comp[i].shift == 0;
  if (!native)
    return 0;
  if (d->nb_components == 1)
    p->layout = SIDELIGHT_LAYOUT_I400;
  else if (d->log2_chroma_w == 1 && d->log2_chroma_h == 1)
    p->layout = SIDELIGHT_LAYOUT_I420;
  else if (d->log2_chroma_w == 1 && d->log2_chroma_h == 0)
    p->layout = SIDELIGHT_LAYOUT_I422;
  else if (d->log2_chroma_w == 0 && d->log2_chroma_h == 0)
    p->layout = SIDELIGHT_LAYOUT_I444;
  else
    return 0;
  for (int i = 0; i < d->nb_components; i++) {
    p->data[i] = frame->data[i];
    p->stride[i] = frame->linesize[i];
  }
  p->width = (uint32_t)frame->width;
  p->height = (uint32_t)frame->height;
  p->bit_depth = (uint32_t)depth;
  p->picture_type = type_of(frame);
  return 1;
}
