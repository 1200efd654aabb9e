#include "jpeg_planes.h"

#include "jpeg_errors.h"
#include "jpeg_metadata.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- planes ---- */

int plane_count(const SidelightPicture *p) {
  return p->layout == SIDELIGHT_LAYOUT_I400 ? 1 : 3;
}

/* Columns and rows of luma samples for each of chroma. */
static uint32_t ratio_across(int layout) {
  switch (layout) {
  case SIDELIGHT_LAYOUT_I420:
  case SIDELIGHT_LAYOUT_I422:
    return 2;
  case SIDELIGHT_LAYOUT_I411:
    return 4;
  default:
    return 1;
  }
}

static uint32_t ratio_down(int layout) {
  return layout == SIDELIGHT_LAYOUT_I420 || layout == SIDELIGHT_LAYOUT_I440 ? 2 : 1;
}

uint32_t plane_width(const SidelightPicture *p, int i) {
  uint32_t ratio = i > 0 ? ratio_across((int)p->layout) : 1;
  return (p->width + ratio - 1) / ratio;
}

uint32_t plane_height(const SidelightPicture *p, int i) {
  uint32_t ratio = i > 0 ? ratio_down((int)p->layout) : 1;
  return (p->height + ratio - 1) / ratio;
}

/* Allocates planes whose rows and columns are rounded up to whole iMCUs of 32 x 32 samples at most, so that
 * libjpeg can write whole blocks. */
static int allocate(Planes *planes, uint32_t width, uint32_t height, int layout) {
  memset(planes, 0, sizeof *planes);
  SidelightPicture *p = &planes->picture;
  p->width = width;
  p->height = height;
  p->layout = (uint32_t)layout;
  p->bit_depth = 8;
  size_t offset[3] = {0}, total = 0;
  for (int i = 0; i < plane_count(p); i++) {
    size_t columns = ((size_t)plane_width(p, i) + 31) / 32 * 32;
    size_t rows = ((size_t)plane_height(p, i) + 31) / 32 * 32;
    p->stride[i] = (ptrdiff_t)columns;
    offset[i] = total;
    total += columns * rows;
  }
  planes->memory = malloc(total);
  if (!planes->memory) {
    fprintf(stderr, "out of memory\n");
    return 0;
  }
  for (int i = 0; i < plane_count(p); i++)
    p->data[i] = planes->memory + offset[i];
  return 1;
}

int planes_like(const Planes *like, Planes *planes) {
  const SidelightPicture *p = &like->picture;
  return allocate(planes, p->width, p->height, (int)p->layout);
}

void planes_free(Planes *planes) {
  free(planes->memory);
  memset(planes, 0, sizeof *planes);
}

static uint8_t *row_of(const SidelightPicture *p, int i, uint32_t y) {
  return (uint8_t *)p->data[i] + (ptrdiff_t)y * p->stride[i];
}

double psnr_luma(const SidelightPicture *a, const SidelightPicture *b) {
  uint64_t sum = 0;
  for (uint32_t y = 0; y < a->height; y++) {
    const uint8_t *r = row_of(a, 0, y), *s = row_of(b, 0, y);
    for (uint32_t x = 0; x < a->width; x++)
      sum += (uint64_t)((r[x] - s[x]) * (r[x] - s[x]));
  }
  if (sum == 0)
    return INFINITY;
  return 10 * log10(255.0 * 255.0 * a->width * a->height / (double)sum);
}

int planes_write_y4m(const char *path, const Planes *planes) {
  static const char *const layouts[] = {"mono", "420jpeg", "422", "444", "440", "411"};
  const SidelightPicture *p = &planes->picture;
  OutputFile file;
  if (!output_open(&file, path))
    return 0;
  fprintf(file.stream, "YUV4MPEG2 W%u H%u F25:1 Ip A1:1 C%s XCOLORRANGE=FULL\nFRAME\n", p->width,
          p->height, layouts[p->layout]);
  for (int i = 0; i < plane_count(p); i++)
    for (uint32_t y = 0; y < plane_height(p, i); y++)
      fwrite(row_of(p, i, y), 1, plane_width(p, i), file.stream);
  return output_close(&file, 1);
}

/* ---- colour, in libjpeg-turbo's 16-bit fixed point (JFIF) ---- */

#define FIX(x) ((int32_t)((x)*65536.0 + 0.5))
#define HALF (1 << 15)

static uint8_t clip(int32_t v) {
  return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void rgb_to_ycc(const uint8_t *rgb, uint8_t ycc[3]) {
  int32_t r = rgb[0], g = rgb[1], b = rgb[2];
  ycc[0] = (uint8_t)((FIX(0.29900) * r + FIX(0.58700) * g + FIX(0.11400) * b + HALF) >> 16);
  int32_t middle = (128 << 16) + HALF - 1;
  ycc[1] = (uint8_t)((-FIX(0.16874) * r - FIX(0.33126) * g + FIX(0.50000) * b + middle) >> 16);
  ycc[2] = (uint8_t)((FIX(0.50000) * r - FIX(0.41869) * g - FIX(0.08131) * b + middle) >> 16);
}

/* Shifts of negative numbers are arithmetic here, as they are in libjpeg. */
static void ycc_to_rgb(int32_t y, int32_t cb, int32_t cr, uint8_t *rgb) {
  cb -= 128;
  cr -= 128;
  rgb[0] = clip(y + ((FIX(1.40200) * cr + HALF) >> 16));
  rgb[1] = clip(y + ((-FIX(0.34414) * cb - FIX(0.71414) * cr + HALF) >> 16));
  rgb[2] = clip(y + ((FIX(1.77200) * cb + HALF) >> 16));
}

/* Averages the samples of a full-size chroma plane; rounding alternates by column where libjpeg has
 * code of its own for the ratio. */
static void downsample(const uint8_t *full, const SidelightPicture *p, int i) {
  uint32_t across = ratio_across((int)p->layout), down = ratio_down((int)p->layout), count = across * down;
  for (uint32_t y = 0; y < plane_height(p, i); y++) {
    uint8_t *out = row_of(p, i, y);
    for (uint32_t x = 0; x < plane_width(p, i); x++) {
      uint32_t sum = across == 2 ? count / 2 - 1 + (x & 1) : count / 2;
      for (uint32_t k = 0; k < count; k++) {
        uint32_t row = down * y + k / across, column = across * x + k % across;
        row = row < p->height ? row : p->height - 1;
        column = column < p->width ? column : p->width - 1;
        sum += full[(size_t)row * p->width + column];
      }
      out[x] = (uint8_t)(sum / count);
    }
  }
}

int planes_from_image(const Image *image, int layout, Planes *planes) {
  size_t pixels = (size_t)image->width * image->height;
  int gray = image->channels == 1;
  if (!allocate(planes, image->width, image->height, gray ? SIDELIGHT_LAYOUT_I400 : layout))
    return 0;
  const SidelightPicture *p = &planes->picture;
  uint8_t *chroma = gray ? NULL : malloc(2 * pixels);
  if (!gray && !chroma) {
    fprintf(stderr, "out of memory\n");
    planes_free(planes);
    return 0;
  }
  for (uint32_t y = 0; y < p->height; y++) {
    uint8_t *luma = row_of(p, 0, y);
    if (gray) {
      memcpy(luma, image->samples + (size_t)y * p->width, p->width);
      continue;
    }
    for (uint32_t x = 0; x < p->width; x++) {
      size_t at = (size_t)y * p->width + x;
      uint8_t ycc[3];
      rgb_to_ycc(image->samples + 3 * at, ycc);
      luma[x] = ycc[0];
      chroma[at] = ycc[1];
      chroma[pixels + at] = ycc[2];
    }
  }
  for (int i = 1; i < plane_count(p); i++) {
    const uint8_t *full = chroma + (size_t)(i - 1) * pixels;
    if (layout != SIDELIGHT_LAYOUT_I444) {
      downsample(full, p, i);
      continue;
    }
    for (uint32_t y = 0; y < p->height; y++)
      memcpy(row_of(p, i, y), full + (size_t)y * p->width, p->width);
  }
  free(chroma);
  return 1;
}

/* Row `y` of chroma plane `i` at full width: libjpeg-turbo's triangle filter, whose sums of two rows
 * are `3 * near + far`. Quarter-width planes, and half-width ones up to two samples wide, are replicated
 * instead. */
static void upsample_row(const SidelightPicture *p, int i, uint32_t y, int32_t *sums, uint8_t *out) {
  uint32_t n = plane_width(p, i), across = ratio_across((int)p->layout);
  int both = ratio_down((int)p->layout) == 2;
  const uint8_t *near = row_of(p, i, both ? y / 2 : y);
  if (across == 4 || (across == 2 && n <= 2) || (across == 1 && !both)) {
    for (uint32_t x = 0; x < across * n; x++)
      out[x] = near[x / across];
    return;
  }
  uint32_t far_y = y / 2;
  if (both && y % 2 == 0 && far_y > 0)
    far_y--;
  else if (both && y % 2 == 1 && far_y + 1 < plane_height(p, i))
    far_y++;
  const uint8_t *far = row_of(p, i, both ? far_y : y);
  if (across == 1) {
    for (uint32_t x = 0; x < n; x++)
      out[x] = (uint8_t)((3 * near[x] + far[x] + 1 + (int)(y & 1)) >> 2);
    return;
  }
  for (uint32_t x = 0; x < n; x++)
    sums[x] = both ? 3 * near[x] + far[x] : near[x];
  int shift = both ? 4 : 2, left = both ? 8 : 1, right = both ? 7 : 2;
  for (uint32_t x = 0; x < n; x++) {
    int32_t before = sums[x > 0 ? x - 1 : 0], after = sums[x + 1 < n ? x + 1 : x];
    out[2 * x] = (uint8_t)((3 * sums[x] + before + left) >> shift);
    out[2 * x + 1] = (uint8_t)((3 * sums[x] + after + right) >> shift);
  }
}

int planes_to_rows(const Planes *planes, uint32_t first, uint32_t end, uint8_t *out) {
  const SidelightPicture *p = &planes->picture;
  size_t row = (size_t)p->width * (size_t)plane_count(p);
  if (plane_count(p) == 1) {
    for (uint32_t y = first; y < end; y++, out += row)
      memcpy(out, row_of(p, 0, y), row);
    return 1;
  }
  /* Upsampled rows may be up to three samples longer than the picture's. */
  size_t wide = (size_t)p->width + 4;
  uint8_t *chroma = malloc(2 * wide);
  int32_t *sums = malloc(wide * sizeof *sums);
  int ok = chroma && sums;
  for (uint32_t y = first; ok && y < end; y++, out += row) {
    const uint8_t *luma = row_of(p, 0, y);
    upsample_row(p, 1, y, sums, chroma);
    upsample_row(p, 2, y, sums, chroma + wide);
    for (uint32_t x = 0; x < p->width; x++)
      ycc_to_rgb(luma[x], chroma[x], chroma[wide + x], out + 3 * (size_t)x);
  }
  free(sums);
  free(chroma);
  if (!ok)
    fprintf(stderr, "out of memory\n");
  return ok;
}

int planes_to_image(const Planes *planes, Image *image) {
  const SidelightPicture *p = &planes->picture;
  memset(image, 0, sizeof *image);
  image->width = p->width;
  image->height = p->height;
  image->channels = plane_count(p);
  image->samples = malloc((size_t)p->width * (size_t)image->channels * p->height);
  if (!image->samples)
    fprintf(stderr, "out of memory\n");
  int ok = image->samples && planes_to_rows(planes, 0, p->height, image->samples);
  if (!ok)
    image_free(image);
  return ok;
}

/* ---- libjpeg ---- */

/* Steps of the middle frequencies of the standard tables, at quality 50. */
#define MIDDLE 20

/* Steps between those of a standard table and equal ones: half has their geometric mean. */
static void flatten(struct jpeg_compress_struct *cinfo, int quality, int tables) {
  double middle = MIDDLE * jpeg_quality_scaling(quality) / 100.0;
  for (int t = 0; t < 2; t++) {
    UINT16 *steps = cinfo->quant_tbl_ptrs[t]->quantval;
    for (int k = 0; k < DCTSIZE2; k++) {
      double step = tables == JPEG_TABLES_FLAT ? middle : sqrt(middle * steps[k]);
      steps[k] = (UINT16)fmin(fmax(floor(step + 0.5), 1), 255);
    }
  }
}

/* The objects behind `data` and `size` belong to the caller, so they outlive a longjmp. */
static int code(const Image *image, const JpegOptions *options, unsigned char **data,
                unsigned long *size) {
  struct jpeg_compress_struct cinfo;
  ErrorManager errors;
  memset(&cinfo, 0, sizeof cinfo);
  cinfo.err = error_manager(&errors, "JPEG encoder");
  if (setjmp(errors.out)) {
    /* The buffer may have grown: only this brings `*data` up to date. */
    if (cinfo.dest)
      cinfo.dest->term_destination(&cinfo);
    jpeg_destroy_compress(&cinfo);
    return 0;
  }
  jpeg_create_compress(&cinfo);
  jpeg_mem_dest(&cinfo, data, size);
  cinfo.image_width = image->width;
  cinfo.image_height = image->height;
  cinfo.input_components = image->channels;
  cinfo.in_color_space = image->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(&cinfo);
  jpeg_set_quality(&cinfo, options->quality, TRUE);
  if (options->tables != JPEG_TABLES_STANDARD)
    flatten(&cinfo, options->quality, options->tables);
  cinfo.optimize_coding = TRUE;
  cinfo.dct_method = JDCT_ISLOW;
  if (image->channels == 3) {
    cinfo.comp_info[0].h_samp_factor = (int)ratio_across(options->layout);
    cinfo.comp_info[0].v_samp_factor = (int)ratio_down(options->layout);
  }
  if (options->progressive)
    jpeg_simple_progression(&cinfo);
  jpeg_start_compress(&cinfo, TRUE);
  jpeg_write_metadata(&cinfo, &image->metadata);
  size_t stride = (size_t)image->width * (size_t)image->channels;
  while (cinfo.next_scanline < cinfo.image_height) {
    JSAMPROW row = image->samples + cinfo.next_scanline * stride;
    jpeg_write_scanlines(&cinfo, &row, 1);
  }
  jpeg_finish_compress(&cinfo);
  jpeg_destroy_compress(&cinfo);
  return 1;
}

int jpeg_code(const Image *image, const JpegOptions *options, uint8_t **data, size_t *size) {
  unsigned char *bytes = NULL;
  unsigned long length = 0;
  if (!code(image, options, &bytes, &length)) {
    free(bytes);
    return 0;
  }
  *data = bytes;
  *size = length;
  return 1;
}

/* The layout of a JPEG file, or -1 with a message. */
static int layout_of(const char *name, const struct jpeg_decompress_struct *cinfo) {
  const jpeg_component_info *c = cinfo->comp_info;
  if (cinfo->num_components == 1 && cinfo->jpeg_color_space == JCS_GRAYSCALE)
    return SIDELIGHT_LAYOUT_I400;
  if (cinfo->num_components == 4) {
    fprintf(stderr, "%s: CMYK and YCCK pictures are not supported\n", name);
    return -1;
  }
  if (cinfo->jpeg_color_space == JCS_RGB) {
    fprintf(stderr, "%s: RGB pictures are not supported\n", name);
    return -1;
  }
  if (cinfo->num_components != 3 || cinfo->jpeg_color_space != JCS_YCbCr) {
    fprintf(stderr, "%s: not a gray or YCbCr picture\n", name);
    return -1;
  }
  int same = c[1].h_samp_factor == c[2].h_samp_factor && c[1].v_samp_factor == c[2].v_samp_factor;
  int whole = same && c[0].h_samp_factor % c[1].h_samp_factor == 0 &&
              c[0].v_samp_factor % c[1].v_samp_factor == 0;
  int h = whole ? c[0].h_samp_factor / c[1].h_samp_factor : 0;
  int v = whole ? c[0].v_samp_factor / c[1].v_samp_factor : 0;
  if (h == 1 && v == 1)
    return SIDELIGHT_LAYOUT_I444;
  if (h == 2 && v == 1)
    return SIDELIGHT_LAYOUT_I422;
  if (h == 2 && v == 2)
    return SIDELIGHT_LAYOUT_I420;
  if (h == 1 && v == 2)
    return SIDELIGHT_LAYOUT_I440;
  if (h == 4 && v == 1)
    return SIDELIGHT_LAYOUT_I411;
  fprintf(stderr,
          "%s: sampling factors %dx%d, %dx%d, %dx%d are not supported "
          "(4:4:4, 4:4:0, 4:2:2, 4:2:0, 4:1:1 are)\n",
          name, c[0].h_samp_factor, c[0].v_samp_factor, c[1].h_samp_factor, c[1].v_samp_factor,
          c[2].h_samp_factor, c[2].v_samp_factor);
  return -1;
}

/* Reads all rows of iMCUs into the planes. libjpeg writes whole blocks: a component's last blocks may
 * reach beyond what its plane has room for, so they go to a spare row and into the row's padding. */
static void read_rows(struct jpeg_decompress_struct *cinfo, const Planes *planes, uint8_t *spare) {
  const SidelightPicture *p = &planes->picture;
  JSAMPROW rows[3][4 * DCTSIZE];
  JSAMPARRAY arrays[3] = {rows[0], rows[1], rows[2]};
  uint32_t lines = (uint32_t)cinfo->max_v_samp_factor * DCTSIZE;
  for (uint32_t mcu = 0; cinfo->output_scanline < cinfo->output_height; mcu++) {
    for (int i = 0; i < plane_count(p); i++) {
      uint32_t n = (uint32_t)cinfo->comp_info[i].v_samp_factor * DCTSIZE;
      for (uint32_t k = 0; k < n; k++) {
        uint32_t y = mcu * n + k;
        rows[i][k] = y < plane_height(p, i) ? row_of(p, i, y) : spare;
      }
    }
    jpeg_read_raw_data(cinfo, arrays, lines);
  }
}

int jpeg_decode_planes(const char *name, const uint8_t *data, size_t size, Planes *planes) {
  struct jpeg_decompress_struct cinfo;
  ErrorManager errors;
  uint8_t *volatile spare = NULL;
  memset(&cinfo, 0, sizeof cinfo);
  memset(planes, 0, sizeof *planes);
  cinfo.err = error_manager(&errors, name);
  if (setjmp(errors.out)) {
    jpeg_destroy_decompress(&cinfo);
    free(spare);
    planes_free(planes);
    return 0;
  }
  jpeg_create_decompress(&cinfo);
  jpeg_mem_src(&cinfo, data, (unsigned long)size);
  jpeg_read_header(&cinfo, TRUE);
  int layout = layout_of(name, &cinfo);
  int ok = layout >= 0;
  if (ok && (size_t)cinfo.image_width * cinfo.image_height > MAX_PIXELS) {
    fprintf(stderr, "%s: more than %zu pixels\n", name, MAX_PIXELS);
    ok = 0;
  }
  if (ok) {
    cinfo.raw_data_out = TRUE;
    cinfo.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&cinfo);
    ok = allocate(planes, cinfo.image_width, cinfo.image_height, layout);
  }
  if (ok) {
    size_t widest = 0;
    for (int i = 0; i < cinfo.num_components; i++) {
      size_t columns = (size_t)cinfo.comp_info[i].width_in_blocks * DCTSIZE;
      widest = columns > widest ? columns : widest;
      ok = ok && columns <= (size_t)planes->picture.stride[i];
    }
    spare = malloc(widest);
    ok = ok && spare;
    if (ok) {
      read_rows(&cinfo, planes, spare);
      jpeg_finish_decompress(&cinfo);
      planes->damaged = errors.base.num_warnings > 0;
    } else {
      fprintf(stderr, "%s: out of memory\n", name);
    }
  }
  jpeg_destroy_decompress(&cinfo);
  free(spare);
  if (!ok)
    planes_free(planes);
  return ok;
}
