/* Picture files of the examples: PNG through libpng, PPM and PGM by hand. "-" for a path is standard input or
 * output. */
#ifndef PICTURE_IO_H
#define PICTURE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct Bytes {
  uint8_t *data;
  size_t size;
} Bytes;

/* What a picture file tells besides samples; NULL where it does not. */
typedef struct Metadata {
  Bytes icc;  /* a colour profile */
  Bytes exif; /* a TIFF file, without the name that JPEG puts in front */
} Metadata;

/* An 8-bit picture, gray or RGB, rows without padding. */
typedef struct Image {
  uint32_t width, height;
  int channels; /* 1 or 3 */
  uint8_t *samples;
  Metadata metadata;
} Image;

enum { FORMAT_PNG, FORMAT_PNM, FORMAT_Y4M };

/* Most pixels that the examples take. */
#ifndef MAX_PIXELS
#define MAX_PIXELS ((size_t)1 << 28)
#endif

/* Reads a PNG (alpha is composed on white, 16 bits are reduced to 8), binary PPM or PGM (maxval 255)
 * file. Prints what is wrong and returns 0 on failure. */
int image_read(const char *path, Image *image);

/* Writes a PNG with the metadata, or with FORMAT_PNM a PPM or PGM without them. */
int image_write(const char *path, int format, const Image *image);

void image_free(Image *image);
void metadata_free(Metadata *metadata);

/* A copy; 0 if memory is out, which is printed. */
int bytes_copy(const uint8_t *data, size_t size, Bytes *copy);

/* A whole file in memory, at most 1 GiB; NULL on failure, which is printed. */
uint8_t *file_read(const char *path, size_t *size);

/* A file that appears under its name only when it is complete; standard output, and where the name is a
 * device, a pipe or a link, is written directly. */
typedef struct OutputFile {
  FILE *stream;
  char *part;
  const char *path;
} OutputFile;

/* Whether `path` is "-". */
int is_standard(const char *path);

/* Whether `path` is, or will become, a regular file. */
int output_is_regular(const char *path);

int output_open(OutputFile *file, const char *path);

/* Whether all writes went well so far; prints what went wrong. For files that are given up early. */
int output_good(const OutputFile *file);

/* Closes and renames if `ok` and nothing failed, else removes what was written. Prints what went
 * wrong and returns whether the file is there. */
int output_close(OutputFile *file, int ok);

/* Writes `size` bytes as a file. */
int file_write(const char *path, const uint8_t *data, size_t size);

#endif
