#include "picture_io.h"

#include <errno.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define MAX_FILE ((size_t)1 << 30)

int has_extension(const char *path, const char *extension) {
  size_t n = strlen(path), e = strlen(extension);
  return n >= e && strcasecmp(path + n - e, extension) == 0;
}

void image_free(Image *image) {
  free(image->samples);
  image->samples = NULL;
}

static int allocate(const char *path, Image *image) {
  size_t pixels = (size_t)image->width * image->height;
  if (pixels == 0 || pixels > MAX_PIXELS) {
    fprintf(stderr, "%s: %u x %u pixels: too large or empty\n", path, image->width, image->height);
    return 0;
  }
  image->samples = malloc(pixels * (size_t)image->channels);
  if (!image->samples)
    fprintf(stderr, "%s: out of memory\n", path);
  return image->samples != NULL;
}

/* libpng says "Read Error" of a file that ends too early as of one that can't be read. */
static const char *png_reason(const png_image *png, FILE *f) {
  return ferror(f) ? strerror(errno) : feof(f) ? "truncated" : png->message;
}

static int read_png(const char *path, FILE *f, Image *image) {
  png_image png;
  memset(&png, 0, sizeof png);
  png.version = PNG_IMAGE_VERSION;
  rewind(f);
  if (!png_image_begin_read_from_stdio(&png, f)) {
    fprintf(stderr, "%s: %s\n", path, png_reason(&png, f));
    return 0;
  }
  /* Without this, 16-bit files without a gamma chunk are taken for linear light. */
  png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  image->channels = png.format & PNG_FORMAT_FLAG_COLOR ? 3 : 1;
  png.format = image->channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  image->width = png.width;
  image->height = png.height;
  if (!allocate(path, image)) {
    png_image_free(&png);
    return 0;
  }
  png_color white = {255, 255, 255};
  if (!png_image_finish_read(&png, &white, image->samples, 0, NULL)) {
    fprintf(stderr, "%s: %s\n", path, png_reason(&png, f));
    image_free(image);
    return 0;
  }
  return 1;
}

/* The next number of a PNM header; comments start with #. */
static int pnm_number(FILE *f, uint32_t *value) {
  int c = fgetc(f);
  while (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '#') {
    if (c == '#')
      while (c != '\n' && c != EOF)
        c = fgetc(f);
    c = fgetc(f);
  }
  uint32_t n = 0;
  int digits = 0;
  for (; c >= '0' && c <= '9' && digits < 9; digits++, c = fgetc(f))
    n = 10 * n + (uint32_t)(c - '0');
  *value = n;
  /* One whitespace character ends the number: it is consumed here. */
  return digits > 0 && (c == ' ' || c == '\t' || c == '\r' || c == '\n');
}

static int read_pnm(const char *path, FILE *f, Image *image) {
  int kind = fgetc(f);
  uint32_t maximum = 0;
  image->channels = kind == '6' ? 3 : 1;
  if (!pnm_number(f, &image->width) || !pnm_number(f, &image->height) || !pnm_number(f, &maximum) ||
      maximum != 255) {
    fprintf(stderr, "%s: not a binary PPM or PGM file with a maximum of 255\n", path);
    return 0;
  }
  if (!allocate(path, image))
    return 0;
  size_t size = (size_t)image->width * image->height * (size_t)image->channels;
  if (fread(image->samples, 1, size, f) != size) {
    fprintf(stderr, "%s: %s\n", path, ferror(f) ? strerror(errno) : "truncated");
    image_free(image);
    return 0;
  }
  return 1;
}

int image_read(const char *path, Image *image) {
  memset(image, 0, sizeof *image);
  FILE *f = fopen(path, "rb");
  if (!f) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return 0;
  }
  int ok = 0;
  int first = fgetc(f), second = fgetc(f);
  if (first == 'P' && (second == '5' || second == '6')) {
    ungetc(second, f);
    ok = read_pnm(path, f, image);
  } else if (first == 0x89 && second == 'P') {
    ok = read_png(path, f, image);
  } else {
    fprintf(stderr, "%s: %s\n", path,
            ferror(f) ? strerror(errno) : "not a PNG, PPM or PGM file");
  }
  fclose(f);
  return ok;
}

int output_is_regular(const char *path) {
  struct stat info;
  return lstat(path, &info) != 0 || S_ISREG(info.st_mode);
}

int output_open(OutputFile *file, const char *path) {
  static const char suffix[] = ".part";
  size_t n = strlen(path);
  memset(file, 0, sizeof *file);
  file->path = path;
  /* Devices, pipes and links are written through: a rename would replace them. */
  if (!output_is_regular(path)) {
    file->stream = fopen(path, "wb");
    if (!file->stream)
      fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return file->stream != NULL;
  }
  file->part = malloc(n + sizeof suffix);
  if (!file->part) {
    fprintf(stderr, "%s: out of memory\n", path);
    return 0;
  }
  memcpy(file->part, path, n);
  memcpy(file->part + n, suffix, sizeof suffix);
  file->stream = fopen(file->part, "wb");
  if (!file->stream) {
    fprintf(stderr, "%s: %s\n", file->part, strerror(errno));
    free(file->part);
    file->part = NULL;
  }
  return file->stream != NULL;
}

int output_good(const OutputFile *file) {
  if (!ferror(file->stream))
    return 1;
  fprintf(stderr, "%s: %s\n", file->part ? file->part : file->path, strerror(errno));
  return 0;
}

int output_close(OutputFile *file, int ok) {
  const char *name = file->part ? file->part : file->path;
  if (fflush(file->stream) != 0 || ferror(file->stream)) {
    if (ok)
      fprintf(stderr, "%s: %s\n", name, strerror(errno));
    ok = 0;
  }
  if (fclose(file->stream) != 0 && ok) {
    fprintf(stderr, "%s: %s\n", name, strerror(errno));
    ok = 0;
  }
  if (!file->part)
    return ok;
  if (ok && rename(file->part, file->path) != 0) {
    fprintf(stderr, "%s: %s\n", file->path, strerror(errno));
    ok = 0;
  }
  if (!ok)
    remove(file->part);
  free(file->part);
  file->part = NULL;
  return ok;
}

int file_write(const char *path, const uint8_t *data, size_t size) {
  OutputFile file;
  if (!output_open(&file, path))
    return 0;
  fwrite(data, 1, size, file.stream);
  return output_close(&file, 1);
}

uint8_t *file_read(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  if (!f) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return NULL;
  }
  size_t capacity = 1 << 16, n = 0;
  uint8_t *data = malloc(capacity);
  while (data) {
    n += fread(data + n, 1, capacity - n, f);
    if (n < capacity || capacity >= MAX_FILE)
      break;
    capacity *= 2;
    uint8_t *larger = realloc(data, capacity);
    if (!larger)
      free(data);
    data = larger;
  }
  if (!data) {
    fprintf(stderr, "%s: out of memory\n", path);
  } else if (ferror(f) || n >= MAX_FILE) {
    fprintf(stderr, "%s: %s\n", path, ferror(f) ? strerror(errno) : "larger than 1 GiB");
    free(data);
    data = NULL;
  }
  fclose(f);
  *size = n;
  return data;
}

static int write_png(OutputFile *file, const Image *image) {
  png_image png;
  memset(&png, 0, sizeof png);
  png.version = PNG_IMAGE_VERSION;
  png.width = image->width;
  png.height = image->height;
  png.format = image->channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  png.flags = PNG_IMAGE_FLAG_FAST;
  if (!png_image_write_to_stdio(&png, file->stream, 0, image->samples, 0, NULL)) {
    fprintf(stderr, "%s: %s\n", file->part ? file->part : file->path,
            ferror(file->stream) ? strerror(errno) : png.message);
    return 0;
  }
  return 1;
}

int image_write(const char *path, const Image *image) {
  OutputFile file;
  if (!output_open(&file, path))
    return 0;
  int ok = 1;
  if (has_extension(path, ".ppm") || has_extension(path, ".pgm")) {
    size_t size = (size_t)image->width * image->height * (size_t)image->channels;
    fprintf(file.stream, "P%c\n%u %u\n255\n", image->channels == 3 ? '6' : '5', image->width,
            image->height);
    fwrite(image->samples, 1, size, file.stream);
  } else {
    ok = write_png(&file, image);
  }
  return output_close(&file, ok);
}
