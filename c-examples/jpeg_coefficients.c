#include "jpeg_coefficients.h"

#include "jpeg_errors.h"

#include <stdlib.h>
#include <string.h>

/* ---- libjpeg's coefficients and the library's ---- */

typedef struct Coefficients {
  SidelightCoefficients components;
  int16_t *memory;
} Coefficients;

static uint32_t blocks_wide(const SidelightPicture *p, int i) {
  return (plane_width(p, i) + 7) / 8;
}

static uint32_t blocks_high(const SidelightPicture *p, int i) {
  return (plane_height(p, i) + 7) / 8;
}

static int coefficients_allocate(Coefficients *c, const SidelightPicture *p) {
  size_t total = 0, offset[3] = {0};
  memset(c, 0, sizeof *c);
  for (int i = 0; i < plane_count(p); i++) {
    offset[i] = total;
    total += (size_t)blocks_wide(p, i) * blocks_high(p, i) * DCTSIZE2;
    c->components.stride[i] = (ptrdiff_t)(blocks_wide(p, i) * sizeof(JBLOCK));
  }
  c->memory = malloc(total * sizeof *c->memory);
  for (int i = 0; c->memory && i < plane_count(p); i++)
    c->components.blocks[i] = c->memory + offset[i];
  return c->memory != NULL;
}

/* Copies between libjpeg's arrays and ours. */
static void exchange(struct jpeg_decompress_struct *in, jvirt_barray_ptr *arrays, const SidelightPicture *p,
                     const Coefficients *c, int to_libjpeg) {
  for (int i = 0; i < plane_count(p); i++) {
    size_t row = (size_t)c->components.stride[i];
    for (uint32_t y = 0; y < blocks_high(p, i); y++) {
      JBLOCKARRAY theirs = in->mem->access_virt_barray((j_common_ptr)in, arrays[i], y, 1, to_libjpeg);
      int16_t *ours = c->components.blocks[i] + y * row / sizeof(int16_t);
      if (to_libjpeg)
        memcpy(theirs[0], ours, row);
      else
        memcpy(ours, theirs[0], row);
    }
  }
}

/* ---- metadata ---- */

/* Bytes of the segment at `at`, marker and all; 0 if it is none, cut off, or where scans begin. */
static size_t segment(const uint8_t *jpeg, size_t size, size_t at) {
  if (at + 4 > size || jpeg[at] != 0xff || jpeg[at + 1] < 0xc0 || jpeg[at + 1] == 0xff || jpeg[at + 1] == 0xda)
    return 0;
  size_t length = 2 + ((size_t)jpeg[at + 2] << 8 | jpeg[at + 3]);
  return length >= 4 && length <= size - at ? length : 0;
}

static int is_metadata(uint8_t marker) {
  return (marker >= 0xe0 && marker <= 0xef) || marker == 0xfe;
}

/* `coded` with the metadata of `file` in place of its own. */
static uint8_t *with_metadata_of(const uint8_t *file, size_t file_size, const uint8_t *coded, size_t coded_size,
                                 size_t *size) {
  uint8_t *out = malloc(file_size + coded_size);
  size_t at, n, length;
  if (!out)
    return NULL;
  out[0] = 0xff;
  out[1] = 0xd8;
  n = 2;
  for (at = 2; (length = segment(file, file_size, at)) > 0; at += length)
    if (is_metadata(file[at + 1])) {
      memcpy(out + n, file + at, length);
      n += length;
    }
  for (at = 2; (length = segment(coded, coded_size, at)) > 0; at += length)
    if (!is_metadata(coded[at + 1])) {
      memcpy(out + n, coded + at, length);
      n += length;
    }
  memcpy(out + n, coded + at, coded_size - at);
  *size = n + coded_size - at;
  return out;
}

/* ---- the whole ---- */

/* What belongs to a call, so that it outlives a longjmp. */
typedef struct Job {
  struct jpeg_decompress_struct in;
  struct jpeg_compress_struct out;
  ErrorManager errors;
  Coefficients coefficients;
  unsigned char *coded;
  unsigned long coded_size;
} Job;

static int run(Job *job, const char *name, const uint8_t *jpeg, size_t size, const Planes *original,
               const SidelightOptimiseSettings *settings, const SidelightBuffer *payload,
               SidelightOptimiseReport *report) {
  struct jpeg_decompress_struct *in = &job->in;
  struct jpeg_compress_struct *out = &job->out;
  const SidelightPicture *p = &original->picture;
  SidelightCodecParams params;

  in->err = out->err = error_manager(&job->errors, name);
  if (setjmp(job->errors.out)) {
    /* The buffer may have grown: only this brings `coded` up to date. */
    if (out->dest)
      out->dest->term_destination(out);
    return 0;
  }
  jpeg_create_decompress(in);
  jpeg_create_compress(out);
  jpeg_mem_src(in, jpeg, (unsigned long)size);
  jpeg_read_header(in, TRUE);
  if (in->image_width != p->width || in->image_height != p->height || in->num_components != plane_count(p)) {
    fprintf(stderr, "%s: %u x %u in %d components, the original %u x %u in %d\n", name, in->image_width,
            in->image_height, in->num_components, p->width, p->height, plane_count(p));
    return 0;
  }
  jvirt_barray_ptr *arrays = jpeg_read_coefficients(in);
  if (!coefficients_allocate(&job->coefficients, p)) {
    fprintf(stderr, "%s: out of memory\n", name);
    return 0;
  }
  exchange(in, arrays, p, &job->coefficients, 0);

  SidelightOptimiseSettings own = *settings;
  own.progressive = (uint32_t)in->progressive_mode;
  int result = sidelight_jpeg_read(jpeg, size, &params, NULL);
  if (result >= 0)
    result = sidelight_jpeg_optimise(&own, p, &params, payload ? payload->data : NULL,
                                     payload ? payload->size : 0, &job->coefficients.components, report);
  if (result < 0) {
    fprintf(stderr, "%s: %s\n", name, sidelight_strerror(result));
    return 0;
  }

  exchange(in, arrays, p, &job->coefficients, 1);
  jpeg_copy_critical_parameters(in, out);
  out->optimize_coding = TRUE;
  out->restart_interval = in->restart_interval;
  if (in->progressive_mode)
    jpeg_simple_progression(out);
  jpeg_mem_dest(out, &job->coded, &job->coded_size);
  jpeg_write_coefficients(out, arrays);
  jpeg_finish_compress(out);
  return 1;
}

int jpeg_optimise(const char *name, const uint8_t *jpeg, size_t size, const Planes *original,
                  const SidelightOptimiseSettings *settings, const SidelightBuffer *payload, uint8_t **out,
                  size_t *out_size, SidelightOptimiseReport *report) {
  Job *job = calloc(1, sizeof *job);
  int ok = job && run(job, name, jpeg, size, original, settings, payload, report);
  if (ok) {
    *out = with_metadata_of(jpeg, size, job->coded, job->coded_size, out_size);
    ok = *out != NULL;
    if (!ok)
      fprintf(stderr, "%s: out of memory\n", name);
  }
  if (job) {
    jpeg_destroy_compress(&job->out);
    jpeg_destroy_decompress(&job->in);
    free(job->coefficients.memory);
    free(job->coded);
    free(job);
  }
  return ok;
}
