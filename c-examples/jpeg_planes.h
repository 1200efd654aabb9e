/* JPEG through libjpeg-turbo: coding from RGB or gray, decoding to raw planes, and the conversions
 * between planes and RGB that libjpeg-turbo itself does. */
#ifndef JPEG_PLANES_H
#define JPEG_PLANES_H

#include "picture_io.h"

#include <sidelight.h>

/* The planes of a JPEG picture as they are coded. `picture` points into `memory`; `damaged` says
 * whether libjpeg had to guess at parts of it. */
typedef struct Planes {
  SidelightPicture picture;
  uint8_t *memory;
  int damaged;
} Planes;

/* Quantisation tables: those of ITU-T T.81, annex K; flat ones, which are better for PSNR; between. */
enum { JPEG_TABLES_STANDARD, JPEG_TABLES_HALF, JPEG_TABLES_FLAT };

typedef struct JpegOptions {
  int quality;     /* 1..100 */
  int layout;      /* a SidelightLayout of three planes; gray pictures are I400 whatever it is */
  int progressive; /* whether to write a progressive file */
  int tables;      /* one of the tables below */
} JpegOptions;

/* Codes `image` and its metadata, with optimised Huffman tables. `*data` is freed with free(). */
int jpeg_code(const Image *image, const JpegOptions *options, uint8_t **data, size_t *size);

/* Decodes to planes, before any upsampling or colour conversion. `name` is for messages. */
int jpeg_decode_planes(const char *name, const uint8_t *data, size_t size, Planes *planes);

/* The planes that libjpeg-turbo makes of `image` before it transforms them. */
int planes_from_image(const Image *image, int layout, Planes *planes);

/* Planes of the same shape as `like`, not initialised. */
int planes_like(const Planes *like, Planes *planes);

/* Gray or RGB, with libjpeg-turbo's "fancy" upsampling. */
int planes_to_image(const Planes *planes, Image *image);

/* Rows `first` to `end` - 1 of it, one behind the other. */
int planes_to_rows(const Planes *planes, uint32_t first, uint32_t end, uint8_t *out);

/* Writes the planes exactly as they are: YUV4MPEG2, in the picture's own layout. */
int planes_write_y4m(const char *path, const Planes *planes);

void planes_free(Planes *planes);

/* Columns and rows of plane `i`. */
uint32_t plane_width(const SidelightPicture *p, int i);
uint32_t plane_height(const SidelightPicture *p, int i);
int plane_count(const SidelightPicture *p);

/* Luma PSNR in dB of two pictures of one size; infinite where they are equal. */
double psnr_luma(const SidelightPicture *a, const SidelightPicture *b);

#endif
