/* JPEG for a host in JavaScript: the examples' decoder to planes, and their planes to RGB. An instance is for one
 * picture; jpeg.js is its other side. */
#include "jpeg_metadata.h"
#include "jpeg_planes.h"

#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(name)))

static Planes planes;
static Metadata metadata;

/* Memory for the host; NULL if there is none. */
EXPORT("room") uint8_t *room(size_t size) {
  return malloc(size);
}

/* Decodes a file, and takes its memory. What is wrong is told on standard error; the name goes in front. */
EXPORT("decode") int decode(const char *name, uint8_t *data, size_t size) {
  int ok = jpeg_decode_planes(name, data, size, &planes) && jpeg_read_metadata(name, data, size, &metadata);
  free(data);
  return ok;
}

/* Planes to be filled by the host. */
EXPORT("blank") int blank(uint32_t width, uint32_t height, uint32_t layout) {
  Planes like = {.picture = {.width = width, .height = height, .layout = layout}};
  return planes_like(&like, &planes);
}

/* Writes rows of the planes as RGB, or gray. */
EXPORT("colour") int colour(uint32_t first, uint32_t end, uint8_t *out) {
  return planes_to_rows(&planes, first, end, out);
}

EXPORT("width") uint32_t width(void) { return planes.picture.width; }
EXPORT("height") uint32_t height(void) { return planes.picture.height; }
EXPORT("layout") uint32_t layout(void) { return planes.picture.layout; }
EXPORT("damaged") int damaged(void) { return planes.damaged; }
EXPORT("planes") int count(void) { return plane_count(&planes.picture); }
EXPORT("data") void *data(int i) { return planes.picture.data[i]; }
EXPORT("stride") ptrdiff_t stride(int i) { return planes.picture.stride[i]; }
EXPORT("columns") uint32_t columns(int i) { return plane_width(&planes.picture, i); }
EXPORT("rows") uint32_t rows(int i) { return plane_height(&planes.picture, i); }
EXPORT("icc") uint8_t *icc(void) { return metadata.icc.data; }
EXPORT("icc_size") size_t icc_size(void) { return metadata.icc.size; }
EXPORT("exif") uint8_t *exif(void) { return metadata.exif.data; }
EXPORT("exif_size") size_t exif_size(void) { return metadata.exif.size; }

/* What picture_io.c has, which needs libpng. */
int bytes_copy(const uint8_t *bytes, size_t size, Bytes *copy) {
  copy->data = malloc(size);
  copy->size = copy->data ? size : 0;
  if (!copy->data) {
    fprintf(stderr, "out of memory\n");
    return 0;
  }
  memcpy(copy->data, bytes, size);
  return 1;
}
