/* Codes a video with x265, lets Sidelight adapt to each stretch of it, and writes the HEVC stream with the
 * payloads in it.
 *
 *   hevc_encode [options] IN.y4m|- OUT.hevc
 *
 * Any HEVC decoder shows the stream as if the payloads were not there; hevc_decode shows it better.
 *
 * A period is an IRAP picture and what is shown up to the next one; `--shot` periods share a payload,
 * which stands at each of their IRAP pictures, so that decoding can start at any of them. An update holds
 * in the order of output: pictures that lead an IRAP picture (coded behind it, shown before it) belong
 * to the period before. What they need is known when the next IRAP picture has been decoded: so much of
 * the coded stream is kept in memory, and of the pictures no more than `--pictures` and the shot's IRAP
 * pictures. */
#include "command_line.h"
#include "picture_io.h"
#include "video_io.h"

#include <getopt.h>
#include <libavcodec/avcodec.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <x265.h>

#define MAX_SHOT 1024
#define MAX_PICTURES 4096
#define MAX_EXTRA 32
/* What carries a payload of up to 238 bytes: docs/carriage-nal.md. */
#define CARRIAGE 25

typedef struct Options {
  const char *qp, *crf, *preset, *keyint;
  const char *extra[MAX_EXTRA];
  int extras;
  size_t shot, pictures;
  double doubling; /* dB that twice the rate buys; 0: Sidelight's estimate */
  int threads;
  SidelightEncoderSettings encoder;
  const char *in, *out;
} Options;

static const char usage[] =
    "usage: hevc_encode [options] IN.y4m|- OUT.hevc\n"
    "  --qp N | --crf N           x265's rate control (default --qp 32)\n"
    "  --preset NAME              x265's preset (default medium)\n"
    "  --keyint N                 most pictures from one IRAP picture to the next (default 250)\n"
    "  --x265 NAME=VALUE          any other option of x265; may be repeated\n"
    "  --mode off|base|update     the most to send (default update)\n"
    "  --no-update                --mode base\n"
    "  --shot N                   IRAP periods that share a payload (default 1)\n"
    "  --pictures N               most pictures that a payload is made from (default 32)\n"
    "  --slope DB                 what twice the rate buys here; 0 to assume it (default 0)\n"
    "  --steps N                  training steps, 0 = by the pictures' size (default 0)\n"
    "  --threads N                threads, 0 = one for each core (default 0)\n";

static int parse(int argc, char **argv, Options *o);

static int out_of_memory(void) {
  fprintf(stderr, "out of memory\n");
  return 0;
}

/* Room for one more in an array of `n`, a power of two or none of which makes it grow. */
static int grow(void **array, size_t n, size_t element) {
  if (n & (n - 1) || (n > 0 && n < 16))
    return 1;
  void *larger = realloc(*array, (n ? 2 * n : 16) * element);
  if (!larger)
    return out_of_memory();
  *array = larger;
  return 1;
}

/* A picture on its way: read, then coded, then decoded. */
typedef struct Picture {
  int64_t index; /* in the order of output */
  VideoPicture original;
  AVFrame *decoded;
  double qp;
  size_t bytes;
} Picture;

/* A coded picture that waits for its payload, or for those before it. */
typedef struct Unit {
  uint8_t *data;
  size_t size;
  int irap;
} Unit;

/* Periods that share a payload. */
typedef struct Shot {
  int64_t first;      /* index of its first picture */
  size_t count;       /* pictures */
  uint64_t bytes;     /* of these, coded */
  double qp[3];       /* sums, by class of picture types */
  size_t of_class[3]; /* pictures */
  AVFrame *carriers[MAX_SHOT];
  size_t periods;
  Picture sample[MAX_PICTURES + 1];
  size_t sampled;
} Shot;

/* Sums over shots, weighted with their pictures. */
typedef struct Total {
  uint64_t pictures, bytes, sent;
  double decoded[3], base[3], payload[3];
} Total;

typedef struct Job {
  const Options *o;
  FILE *summary;
  Y4mReader in;
  OutputFile out;

  const x265_api *api;
  x265_param *param;
  x265_encoder *x265;
  AVCodecContext *decoder;
  AVPacket *packet;
  AVFrame *frame;
  SidelightEncoder *encoder;
  SidelightStream *stream;

  Picture *waiting; /* read, not yet decoded, from `shown` on */
  size_t waits;
  int64_t shown; /* pictures decoded */
  Unit *units;   /* coded, not yet written */
  size_t queued;
  Shot *shot;
  SidelightBuffer *payloads; /* of every IRAP picture so far; cleared where nothing is sent */
  size_t bound, written;     /* IRAP pictures: that have one, that are in the file */
  Total total;
} Job;

static void picture_free(Picture *p) {
  video_picture_free(&p->original);
  av_frame_free(&p->decoded);
}

/* ---- what is sent ---- */

static void print_title(const Job *job) {
  fprintf(job->summary, "%8s %8s %9s %10s  %9s %9s %9s  %-6s %s\n", "first", "pictures", "bytes",
          "QP I/P/B", "PSNR-Y", "base", "sent", "mode", "payload");
}

static void print_shot(Job *job, const Shot *shot, const SidelightHints *hints, const SidelightReport *r) {
  char qp[16];
  snprintf(qp, sizeof qp, "%d/%d/%d", hints->qp[0], hints->qp[1], hints->qp[2]);
  fprintf(job->summary, "%8lld %8zu %9llu %10s  %9.3f %9.3f %9.3f  %-6s %u", (long long)shot->first,
          shot->count, (unsigned long long)shot->bytes, qp, r->psnr_decoded, r->psnr_base,
          r->psnr_payload, mode_name((int)r->mode), r->mode == SIDELIGHT_MODE_OFF ? 0 : r->payload_bytes);
  if (r->mode != SIDELIGHT_MODE_OFF && shot->periods > 1)
    fprintf(job->summary, " x %zu", shot->periods);
  fputc('\n', job->summary);
  fflush(job->summary);

  Total *t = &job->total;
  t->pictures += shot->count;
  t->bytes += shot->bytes;
  double n = (double)shot->count;
  for (int i = 0; i < 3; i++) {
    t->decoded[i] += n * (i ? r->psnr_chroma_decoded[i - 1] : r->psnr_decoded);
    t->base[i] += n * (i ? r->psnr_chroma_base[i - 1] : r->psnr_base);
    t->payload[i] += n * (i ? r->psnr_chroma_payload[i - 1] : r->psnr_payload);
  }
}

static void print_total(const Job *job) {
  const Total *t = &job->total;
  const VideoFormat *v = &job->in.format;
  double n = (double)t->pictures, seconds = n * v->scale / v->rate;
  fprintf(job->summary, "%llu pictures, %.1f kbit/s, payloads %.2f kbit/s; PSNR-Y %.3f, base %.3f, sent %.3f",
          (unsigned long long)t->pictures, 8e-3 * (double)t->bytes / seconds,
          8e-3 * (double)t->sent / seconds, t->decoded[0] / n, t->base[0] / n, t->payload[0] / n);
  if (v->layout != SIDELIGHT_LAYOUT_I400)
    fprintf(job->summary, "; Cb %.3f, sent %.3f; Cr %.3f, sent %.3f", t->decoded[1] / n,
            t->payload[1] / n, t->decoded[2] / n, t->payload[2] / n);
  fputc('\n', job->summary);
}

/* Writes the units that the stream has, each IRAP picture with its payload. */
static int write_ready(Job *job) {
  SidelightAccessUnit unit;
  int result;
  while ((result = sidelight_stream_next(job->stream, &unit)) == 1) {
    SidelightBuffer *payload = NULL;
    if (unit.irap && job->written < job->bound)
      payload = &job->payloads[job->written++];
    if (!payload || !payload->data) {
      fwrite(unit.data, 1, unit.size, job->out.stream);
      continue;
    }
    SidelightBuffer with = {0};
    result = sidelight_stream_rewrite(job->stream, payload->data, payload->size, &with);
    if (result < 0)
      break;
    fwrite(with.data, 1, with.size, job->out.stream);
    job->total.sent += with.size - unit.size;
    sidelight_buffer_unref(&with);
    sidelight_buffer_unref(payload);
  }
  return result;
}

/* Moves coded units to the file: those of `periods` IRAP pictures, the last of which may stay in the stream
 * until the next one comes; all if `end`. */
static int write_units(Job *job, size_t periods, int end) {
  size_t taken = 0, begun = 0;
  int result = 0;
  for (; result >= 0 && taken < job->queued; taken++) {
    Unit *u = &job->units[taken];
    if (u->irap && !end && begun == periods)
      break;
    begun += (size_t)u->irap;
    result = sidelight_stream_push(job->stream, u->data, u->size);
    free(u->data);
    if (result >= 0)
      result = write_ready(job);
  }
  job->queued -= taken;
  memmove(job->units, job->units + taken, job->queued * sizeof *job->units);
  if (result >= 0 && end) {
    result = sidelight_stream_push(job->stream, (const uint8_t *)"", 0);
    if (result >= 0)
      result = write_ready(job);
  }
  if (result < 0)
    fprintf(stderr, "stream: %s\n", sidelight_strerror(result));
  /* What failed is told when the file is closed. */
  return result >= 0 && !ferror(job->out.stream);
}

/* A copy of the payload for each IRAP picture of the shot, bound to it. */
static int bind_copies(Job *job, const Shot *shot, const SidelightBuffer *payload) {
  for (size_t i = 0; i < shot->periods; i++) {
    if (!grow((void **)&job->payloads, job->bound, sizeof *job->payloads))
      return SIDELIGHT_ERROR_OUT_OF_MEMORY;
    SidelightBuffer *copy = &job->payloads[job->bound++];
    memset(copy, 0, sizeof *copy);
  }
  return 0;
}

/* The heart of the example: from the pictures of a shot to its payload. */
static int adapt(Job *job, Shot *shot, SidelightBuffer *payload, SidelightHints *hints,
                 SidelightReport *report) {
  static SidelightPicture original[MAX_PICTURES], decoded[MAX_PICTURES];
  for (size_t i = 0; i < shot->sampled; i++) {
    original[i] = shot->sample[i].original.picture;
    picture_of_frame(shot->sample[i].decoded, &decoded[i]);
  }
  memset(hints, 0, sizeof *hints);
  hints->codec = SIDELIGHT_CODEC_HEVC;
  for (int i = 0; i < 3; i++) {
    if (shot->of_class[i] > 0)
      hints->qp[i] = (uint8_t)fmin(fmax(lround(shot->qp[i] / (double)shot->of_class[i]), 1), 51);
  }
  /* Each byte is paid for as often as the payload is sent. */
  double bytes = (double)shot->bytes / (double)shot->periods;
  hints->coded_bytes = (uint64_t)bytes;
  hints->slope_db_per_byte = bytes > 0 ? job->o->doubling / M_LN2 / bytes : 0;
  hints->carriage_bytes = CARRIAGE;
  return sidelight_encoder_encode(job->encoder, original, decoded, shot->sampled, hints, payload, report);
}
