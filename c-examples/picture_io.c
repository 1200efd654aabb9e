#include "picture_io.h"

#include <errno.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_FILE ((size_t)1 << 30)

int is_standard(const char *path) {
  return strcmp(path, "-") == 0;
}

static const char *input_name(const char *path) {
  return is_standard(path) ? "standard input" : path;
}

static const char *output_name(const OutputFile *file) {
  return file->part ? file->part : file->path;
}

void metadata_free(Metadata *metadata) {
  free(metadata->icc.data);
  free(metadata->exif.data);
  memset(metadata, 0, sizeof *metadata);
}

void image_free(Image *image) {
  free(image->samples);
  image->samples = NULL;
  metadata_free(&image->metadata);
}

int bytes_copy(const uint8_t *data, size_t size, Bytes *copy) {
  copy->data = malloc(size ? size : 1);
  copy->size = copy->data ? size : 0;
  if (!copy->data) {
    fprintf(stderr, "out of memory\n");
    return 0;
  }
  memcpy(copy->data, data, size);
  return 1;
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

/* ---- PNG ---- */

#define SIGNATURE 8

/* Bytes of the chunk at `at`, its length and checksum too; 0 where the file ends. */
static size_t chunk_size(const Bytes *file, size_t at) {
  if (file->size < 12 || at > file->size - 12)
    return 0;
  size_t size = 12 + (size_t)png_get_uint_32(file->data + at);
  return size <= file->size - at ? size : 0;
}

static int is_chunk(const Bytes *file, size_t at, const char *name) {
  return memcmp(file->data + at + 4, name, 4) == 0;
}

/* Takes the chunks that are void beside a profile out of the file: libpng would convert samples by them. */
static void drop_gamma(Bytes *file) {
  size_t to = SIGNATURE, size;
  for (size_t at = SIGNATURE; (size = chunk_size(file, at)) > 0; at += size) {
    if (is_chunk(file, at, "gAMA") || is_chunk(file, at, "cHRM") || is_chunk(file, at, "sRGB"))
      continue;
    memmove(file->data + to, file->data + at, size);
    to += size;
  }
  file->size = to;
}

static int is_whole(const Bytes *file) {
  size_t size;
  for (size_t at = SIGNATURE; (size = chunk_size(file, at)) > 0; at += size) {
    if (is_chunk(file, at, "IEND"))
      return 1;
  }
  return 0;
}

/* A file without the picture: libpng stops reading where that begins, and metadata may stand behind it. */
static int without_picture(const Bytes *file, Bytes *out) {
  static const uint8_t picture[12] = {0, 0, 0, 0, 'I', 'D', 'A', 'T'};
  size_t size;
  out->data = malloc(file->size + sizeof picture);
  if (!out->data)
    return 0;
  memcpy(out->data, file->data, SIGNATURE);
  out->size = SIGNATURE;
  for (size_t at = SIGNATURE; (size = chunk_size(file, at)) > 0 && !is_chunk(file, at, "IEND"); at += size) {
    if (is_chunk(file, at, "IDAT"))
      continue;
    memcpy(out->data + out->size, file->data + at, size);
    out->size += size;
  }
  memcpy(out->data + out->size, picture, sizeof picture);
  out->size += sizeof picture;
  return 1;
}

/* A PNG file in memory, as libpng goes through it. */
typedef struct PngFile {
  const char *path;
  Bytes bytes;
  size_t at;
} PngFile;

static void png_failed(png_structp png, png_const_charp message) {
  (void)message; /* reading the picture tells it */
  png_longjmp(png, 1);
}

static void png_warned(png_structp png, png_const_charp message) {
  fprintf(stderr, "%s: %s\n", ((const PngFile *)png_get_error_ptr(png))->path, message);
}

static void png_take(png_structp png, png_bytep to, size_t size) {
  PngFile *file = png_get_io_ptr(png);
  if (size > file->bytes.size - file->at)
    png_error(png, "truncated");
  memcpy(to, file->bytes.data + file->at, size);
  file->at += size;
}

/* Reads what is there and sound; 0 if memory is out. */
static int read_metadata(const char *path, const Bytes *bytes, Metadata *metadata) {
  PngFile file = {path, {NULL, 0}, 0};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &file, png_failed, png_warned);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  png_charp name;
  png_bytep data = NULL;
  png_uint_32 size = 0;
  int compression;
  if (!info || !without_picture(bytes, &file.bytes)) {
    png_destroy_read_struct(&png, &info, NULL);
    fprintf(stderr, "%s: out of memory\n", path);
    return 0;
  }
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    free(file.bytes.data);
    return 1;
  }
  png_set_read_fn(png, &file, png_take);
  png_read_info(png, info);
  int ok = !png_get_iCCP(png, info, &name, &compression, &data, &size) || bytes_copy(data, size, &metadata->icc);
  ok = ok && (!png_get_eXIf_1(png, info, &size, &data) || bytes_copy(data, size, &metadata->exif));
  png_destroy_read_struct(&png, &info, NULL);
  free(file.bytes.data);
  return ok;
}

static int read_png(const char *path, Bytes *file, Image *image) {
  png_image png;
  memset(&png, 0, sizeof png);
  png.version = PNG_IMAGE_VERSION;
  if (!read_metadata(path, file, &image->metadata))
    return 0;
  int whole = is_whole(file);
  if (image->metadata.icc.data)
    drop_gamma(file);
  if (!png_image_begin_read_from_memory(&png, file->data, file->size)) {
    fprintf(stderr, "%s: %s\n", path, whole ? png.message : "truncated");
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
    fprintf(stderr, "%s: %s\n", path, whole ? png.message : "truncated");
    return 0;
  }
  return 1;
}

/* libpng's own errors end the writing; its warnings tell of metadata that it leaves out. */
static void png_write_failed(png_structp png, png_const_charp message) {
  const OutputFile *file = png_get_error_ptr(png);
  fprintf(stderr, "%s: %s\n", output_name(file), ferror(file->stream) ? strerror(errno) : message);
  png_longjmp(png, 1);
}

static void png_write_warned(png_structp png, png_const_charp message) {
  fprintf(stderr, "%s: %s\n", output_name(png_get_error_ptr(png)), message);
}

static int write_png(OutputFile *file, const Image *image) {
  const Metadata *m = &image->metadata;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, file, png_write_failed, png_write_warned);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  if (!info) {
    fprintf(stderr, "%s: out of memory\n", output_name(file));
    png_destroy_write_struct(&png, NULL);
    return 0;
  }
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_write_struct(&png, &info);
    return 0;
  }
  png_init_io(png, file->stream);
  png_set_benign_errors(png, 1); /* a profile that is none is left out */
  png_set_compression_level(png, 3);
  png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_NO_FILTERS);
  int colour = image->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY;
  png_set_IHDR(png, info, image->width, image->height, 8, colour, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (m->icc.data)
    png_set_iCCP(png, info, "ICC", PNG_COMPRESSION_TYPE_BASE, m->icc.data, (png_uint_32)m->icc.size);
  else
    png_set_sRGB(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
  if (m->exif.data)
    png_set_eXIf_1(png, info, (png_uint_32)m->exif.size, m->exif.data);
  png_write_info(png, info);
  size_t row = (size_t)image->width * (size_t)image->channels;
  for (uint32_t y = 0; y < image->height; y++)
    png_write_row(png, image->samples + y * row);
  png_write_end(png, NULL); /* with the info, EXIF would come twice */
  png_destroy_write_struct(&png, &info);
  return 1;
}

/* ---- PPM and PGM ---- */

/* The next number of a PNM header; comments start with #. */
static int pnm_number(const Bytes *file, size_t *at, uint32_t *value) {
  const uint8_t *d = file->data;
  size_t i = *at, n = file->size;
  while (i < n && (d[i] == ' ' || d[i] == '\t' || d[i] == '\r' || d[i] == '\n' || d[i] == '#')) {
    if (d[i] == '#')
      while (i < n && d[i] != '\n')
        i++;
    else
      i++;
  }
  uint32_t sum = 0;
  int digits = 0;
  for (; i < n && d[i] >= '0' && d[i] <= '9' && digits < 9; digits++, i++)
    sum = 10 * sum + (uint32_t)(d[i] - '0');
  *value = sum;
  /* One whitespace character ends the number: it is consumed here. */
  *at = i + 1;
  return digits > 0 && i < n && (d[i] == ' ' || d[i] == '\t' || d[i] == '\r' || d[i] == '\n');
}

static int read_pnm(const char *path, const Bytes *file, Image *image) {
  static const char supported[] = "supported are PNG, and binary PPM (P6) and PGM (P5) with a maximum of 255";
  static const char *const kinds[] = {"a plain PBM",  "a plain PGM",    "a plain PPM", "a binary PBM",
                                      "a binary PGM", "a binary PPM", "a PAM"};
  char kind = (char)file->data[1];
  uint32_t maximum = 0;
  size_t at = 2;
  if (kind != '5' && kind != '6') {
    fprintf(stderr, "%s: %s file (P%c): %s\n", path, kinds[kind - '1'], kind, supported);
    return 0;
  }
  image->channels = kind == '6' ? 3 : 1;
  if (!pnm_number(file, &at, &image->width) || !pnm_number(file, &at, &image->height) ||
      !pnm_number(file, &at, &maximum)) {
    fprintf(stderr, "%s: %s file (P%c) with a damaged header\n", path, kinds[kind - '1'], kind);
    return 0;
  }
  if (maximum != 255) {
    fprintf(stderr, "%s: %s file (P%c) with a maximum of %u: %s\n", path, kinds[kind - '1'], kind, maximum, supported);
    return 0;
  }
  size_t size = (size_t)image->width * image->height * (size_t)image->channels;
  if (!allocate(path, image))
    return 0;
  if (size > file->size - at) {
    fprintf(stderr, "%s: truncated\n", path);
    return 0;
  }
  memcpy(image->samples, file->data + at, size);
  return 1;
}

int image_read(const char *path, Image *image) {
  memset(image, 0, sizeof *image);
  Bytes file = {NULL, 0};
  file.data = file_read(path, &file.size);
  if (!file.data)
    return 0;
  const char *name = input_name(path);
  const uint8_t *d = file.data;
  int ok = 0;
  if (file.size >= SIGNATURE && png_sig_cmp(d, 0, SIGNATURE) == 0)
    ok = read_png(name, &file, image);
  else if (file.size >= 3 && d[0] == 'P' && d[1] >= '1' && d[1] <= '7')
    ok = read_pnm(name, &file, image);
  else
    fprintf(stderr, "%s: not a PNG, PPM or PGM file\n", name);
  free(file.data);
  if (!ok)
    image_free(image);
  return ok;
}

/* ---- files ---- */

int output_is_regular(const char *path) {
  struct stat info;
  return !is_standard(path) && (lstat(path, &info) != 0 || S_ISREG(info.st_mode));
}

int output_open(OutputFile *file, const char *path) {
  static const char suffix[] = ".part";
  size_t n = strlen(path);
  memset(file, 0, sizeof *file);
  file->path = path;
  if (is_standard(path)) {
    file->path = "standard output";
    file->stream = stdout;
    return 1;
  }
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
  fprintf(stderr, "%s: %s\n", output_name(file), strerror(errno));
  return 0;
}

int output_close(OutputFile *file, int ok) {
  if (fflush(file->stream) != 0 || ferror(file->stream)) {
    if (ok)
      fprintf(stderr, "%s: %s\n", output_name(file), strerror(errno));
    ok = 0;
  }
  if (file->stream != stdout && fclose(file->stream) != 0 && ok) {
    fprintf(stderr, "%s: %s\n", output_name(file), strerror(errno));
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
  FILE *f = is_standard(path) ? stdin : fopen(path, "rb");
  const char *name = input_name(path);
  if (!f) {
    fprintf(stderr, "%s: %s\n", name, strerror(errno));
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
    fprintf(stderr, "%s: out of memory\n", name);
  } else if (ferror(f) || n >= MAX_FILE) {
    fprintf(stderr, "%s: %s\n", name, ferror(f) ? strerror(errno) : "larger than 1 GiB");
    free(data);
    data = NULL;
  }
  if (f != stdin)
    fclose(f);
  *size = n;
  return data;
}

int image_write(const char *path, int format, const Image *image) {
  OutputFile file;
  if (!output_open(&file, path))
    return 0;
  int ok = 1;
  if (format == FORMAT_PNM) {
    size_t size = (size_t)image->width * image->height * (size_t)image->channels;
    fprintf(file.stream, "P%c\n%u %u\n255\n", image->channels == 3 ? '6' : '5', image->width,
            image->height);
    fwrite(image->samples, 1, size, file.stream);
  } else {
    ok = write_png(&file, image);
  }
  return output_close(&file, ok);
}
