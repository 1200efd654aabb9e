/* Many opens, closes and copies: memory stays flat. The allocator's caches are off (run.sh): what they
 * keep is chance. */
#include "check.h"
#include "coded.h"

#include <malloc.h>
#include <string.h>
#include <unistd.h>

/* Bytes that malloc has handed out, and bytes of memory in use by the process. */
struct memory {
    size_t heap, resident;
};

static struct memory memory_now(void)
{
    malloc_trim(0);
    struct memory m = {.heap = mallinfo2().uordblks};
    FILE *statm = fopen("/proc/self/statm", "r");
    unsigned long pages, resident = 0;
    if (statm) {
        if (fscanf(statm, "%lu %lu", &pages, &resident) == 2) {
            m.resident = resident * (size_t)sysconf(_SC_PAGESIZE);
        }
        fclose(statm);
    }
    return m;
}

/* Sanitizers and valgrind hold freed memory back; they look for leaks themselves. */
static bool memory_counts(void)
{
#ifdef __SANITIZE_ADDRESS__
    return false;
#else
    return !check_quick();
#endif
}

static void check_flat(const char *what, struct memory before)
{
    const struct memory now = memory_now();
    if (!memory_counts()) return;
    check_that(now.heap <= before.heap + (1 << 10), __FILE__, __LINE__, "%s: heap %zu, was %zu", what,
               now.heap, before.heap);
    check_that(now.resident <= before.resident + (1 << 20), __FILE__, __LINE__,
               "%s: %zu bytes resident, were %zu", what, now.resident, before.resident);
}

static void open_close(int count)
{
    for (int i = 0; i < count; i++) {
        SidelightDecoder *decoder = NULL;
        SidelightEncoder *encoder = NULL;
        REQUIRE(sidelight_decoder_open(NULL, &decoder) == 0);
        REQUIRE(sidelight_encoder_open(NULL, &encoder) == 0);
        sidelight_decoder_close(&decoder);
        sidelight_encoder_close(&encoder);
    }
}

static void insert_unref(const struct coded *c, int count)
{
    uint8_t payload[100];
    memset(payload, 7, sizeof payload);
    for (int i = 0; i < count; i++) {
        SidelightBuffer with = {0}, without = {0}, found = {0};
        REQUIRE(sidelight_jpeg_rewrite(c->jpeg, c->jpeg_size, payload, sizeof payload, &with) == 0);
        REQUIRE(sidelight_jpeg_read(with.data, with.size, NULL, &found) == 1);
        REQUIRE(sidelight_jpeg_rewrite(with.data, with.size, NULL, 0, &without) == 0);
        sidelight_buffer_unref(&with);
        sidelight_buffer_unref(&found);
        sidelight_buffer_unref(&without);
    }
}

/* Every model setting replaces the last; filtering starts and ends threads. */
static void set_and_filter(const struct coded *c, struct frame *out, int count)
{
    SidelightDecoderSettings settings = {0};
    settings.threads = 4;
    SidelightDecoder *decoder = NULL;
    REQUIRE(sidelight_decoder_open(&settings, &decoder) == 0);
    for (int i = 0; i < count; i++) {
        REQUIRE(sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &c->params) == 0);
        REQUIRE(sidelight_decoder_filter(decoder, &c->decoded.picture, &out->picture) == 0);
    }
    sidelight_decoder_close(&decoder);
}

static void encode(const struct coded *c, int count)
{
    SidelightEncoderSettings settings = {0};
    settings.threads = 2;
    settings.steps = 1;
    SidelightEncoder *encoder = NULL;
    REQUIRE(sidelight_encoder_open(&settings, &encoder) == 0);
    for (int i = 0; i < count; i++) {
        SidelightBuffer payload = {0};
        REQUIRE(sidelight_encoder_encode(encoder, &c->original.picture, &c->decoded.picture, 1,
                                         &c->params, &payload, NULL) == 0);
        sidelight_buffer_unref(&payload);
    }
    sidelight_encoder_close(&encoder);
}

int main(void)
{
    const int scale = check_quick() ? 100 : 1;
    struct coded c = coded_new(SIDELIGHT_LAYOUT_I420, 48, 40, 1, 20);
    struct frame out = frame_new(SIDELIGHT_LAYOUT_I420, 48, 40, 0, 0);

    /* The first call of each kind may set things up for good. */
    open_close(20);
    insert_unref(&c, 20);
    set_and_filter(&c, &out, 5);
    encode(&c, 3);

    struct memory before = memory_now();
    open_close(10000 / scale);
    check_flat("open and close", before);

    before = memory_now();
    insert_unref(&c, 2000 / scale);
    check_flat("insert and unref", before);

    before = memory_now();
    set_and_filter(&c, &out, 500 / scale);
    check_flat("set and filter", before);

    before = memory_now();
    encode(&c, 100 / scale);
    check_flat("encode", before);

    frame_free(&out);
    coded_free(&c);
    return check_finish();
}
