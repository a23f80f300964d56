/* A good GGUF file of 2.5 KB, damaged: cut at every byte, every bit of its header flipped, its numbers rewritten at
 * random. Each must be refused with a message or parse to something whose every byte can be read. Most of this shows
 * its worth under a sanitizer: every damaged file lies in a heap block of exactly its size.
 *
 * An argument replays the rewriting from a seed that a failure printed. */
#include "gguf_build.h"
#include "gguf_read_all.h"
#include "model/gguf_parse.h"
#include "test.h"
#include "where.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tern_error err;

static const char *const good_file =
        "H3,7,18 "
        "'general.architecture' 4:8 'llama'  'general.name' 4:8 'A small lie'  'general.alignment' 4:4 4:64 "
        "'llama.block_count' 4:4 4:2  'llama.context_length' 4:10 8:512  'llama.rope.freq_base' 4:6 4:0x461c4000 "
        "'a.u8' 4:0 1:7  'a.i8' 4:1 1:-7  'a.u16' 4:2 2:700  'a.i16' 4:3 2:-700  'a.i32' 4:5 4:-70000 "
        "'a.i64' 4:11 8:-7000000000  'a.f64' 4:12 8:0x3ff8000000000000 "
        "'tokenizer.ggml.add_bos_token' 4:7 1:1 "
        "'tokenizer.ggml.tokens' 4:9 4:8 8:8 '<s>' '</s>' '' 'a' 'b' 'ab' 'the' 'cat' "
        "'tokenizer.ggml.token_type' 4:9 4:5 8:8 4:3 4:3 4:2 4:1 4:1 4:1 4:1 4:1 "
        "'flags' 4:9 4:7 8:3 1:0 1:1 1:0  'nothing' 4:9 4:10 8:0 "
        "'token_embd.weight' 4:2 8:32 8:8 4:1 8:0 "
        "'blk.0.attn_q.weight' 4:2 8:32 8:20 4:2016 8:512 "
        "'blk.0.attn_q.scale' 4:1 8:1 4:0 8:768 "
        "'blk.0.attn_k.weight' 4:2 8:32 8:2 4:8 8:832 "
        "'blk.0.ffn_up.weight' 4:2 8:128 8:1 4:36 8:960 "
        "'output.weight' 4:2 8:16 8:8 4:2017 8:1024 "
        "'four' 4:4 8:2 8:2 8:2 8:2 4:30 8:1280 "
        "@64 *1312";

static volatile uint64_t sink; /* keeps the compiler from leaving the reading out */

/* Parses exactly these bytes. `what` and `number` say what was done to them. */
static enum tern_status try_bytes(const uint8_t *bytes, size_t n, const char *what, size_t number)
{
	struct gguf gguf;
	uint8_t *copy = build_copy(bytes, n);

	err.message[0] = 0;
	enum tern_status status = tern_gguf_parse(&gguf, "m.gguf", copy, n, &err);
	if (status == TERN_OK) {
		sink += gguf_read_all(&gguf);
		if (!gguf_finds_all(&gguf))
			CHECK(false, "%s %zu: something is not found by its name", what, number);
	} else if (status != TERN_ERR_FILE || strncmp(err.message, "m.gguf: ", 8) != 0) {
		CHECK(false, "%s %zu: status %d, %s", what, number, (int)status, err.message);
	}
	tern_gguf_free(&gguf);
	free(copy);
	return status;
}

static void test_truncations(const uint8_t *bytes, size_t n)
{
	size_t n_accepted = 0;

	for (size_t cut = 0; cut < n; cut++)
		n_accepted += try_bytes(bytes, cut, "cut at", cut) == TERN_OK;
	CHECK(n_accepted == 0, "%zu of %zu cut files were accepted", n_accepted, n);
	CHECK(try_bytes(bytes, n, "whole", n) == TERN_OK, "%s", err.message);
}

static void test_flips(uint8_t *bytes, size_t n_header, size_t n)
{
	size_t n_refused = 0;

	for (size_t bit = 0; bit < n_header * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		n_refused += try_bytes(bytes, n, "flipped bit", bit) != TERN_OK;
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	/* What may change: letters of names and texts, values. */
	CHECK(n_refused > n_header * 8 / 3, "only %zu of %zu flips were refused", n_refused, n_header * 8);
}

/* Numbers that parsers trip over. */
static uint64_t nasty_number(void)
{
	static const uint64_t numbers[] = {0,
	                                   1,
	                                   2,
	                                   3,
	                                   4,
	                                   7,
	                                   8,
	                                   9,
	                                   10,
	                                   12,
	                                   13,
	                                   16,
	                                   31,
	                                   32,
	                                   33,
	                                   63,
	                                   64,
	                                   65,
	                                   255,
	                                   256,
	                                   257,
	                                   2016,
	                                   2017,
	                                   4095,
	                                   65535,
	                                   65536,
	                                   0x7fffffff,
	                                   0x80000000,
	                                   0xffffffff,
	                                   0x100000000,
	                                   (uint64_t)1 << 61,
	                                   INT64_MAX,
	                                   (uint64_t)1 << 63,
	                                   UINT64_MAX};
	uint64_t random = test_random();

	switch (random % 4) {
	case 0:
		return random >> 2;
	case 1:
		return (random >> 2) % 4096;
	case 2:
		return UINT64_MAX - (random >> 2) % 128;
	default:
		return numbers[(random >> 2) % (sizeof numbers / sizeof *numbers)];
	}
}

/* One to four changes: a number rewritten, bytes taken out, bytes doubled. Returns the new size. */
static size_t damage(uint8_t *bytes, size_t n_header, size_t n)
{
	for (uint64_t n_changes = 1 + test_random() % 4; n_changes > 0; n_changes--) {
		size_t at = (size_t)(test_random() % n_header), length = (size_t)1 << test_random() % 4;
		uint64_t number = nasty_number();
		switch (test_random() % 8) {
		case 0: /* bytes are missing */
			memmove(bytes + at, bytes + at + length, n - at - length);
			n -= length;
			break;
		case 1: /* bytes are there twice */
			memmove(bytes + at + length, bytes + at, n - at);
			n += length;
			break;
		default:
			memcpy(bytes + at, &number, length);
		}
	}
	return n;
}

static void test_rewriting(const uint8_t *bytes, size_t n_header, size_t n, int n_trials)
{
	uint8_t *damaged = malloc(n + 64);
	int n_good = 0;

	for (int i = 0; i < n_trials && damaged; i++) {
		uint64_t seed = test_seed;
		int n_failed_before = test_n_failed;
		memcpy(damaged, bytes, n);
		size_t n_damaged = damage(damaged, n_header, n);
		n_good += try_bytes(damaged, n_damaged, "rewritten, trial", (size_t)i) == TERN_OK;
		if (test_n_failed != n_failed_before)
			fprintf(stderr, "replay with the argument %llu\n", (unsigned long long)seed);
	}
	CHECK(n_good > 0 && n_good < n_trials, "%d of %d were accepted", n_good, n_trials);
	free(damaged);
}

/* Counts and lengths that lie may not ask for memory: all of this has to work in 256 MiB of address space. */
static void test_memory_limit(void)
{
	static const char *const lies[] = {
	        "H3,-1,-1 *100",
	        "H3,65536,65535 *100",
	        "H3,65536,0 *100000",
	        "H3,0,65535 *100000",
	        "H3,0,1 'k' 4:8 8:16777216 *100",
	        "H3,0,1 'k' 4:9 4:8 8:67108864 *100",
	        "H3,0,1 'k' 4:9 4:12 8:67108864 *100",
	        "H3,1,0 't' 4:4 8:65536 8:65536 8:65536 8:1 4:0 8:0 *100",
	        "H3,0,1 'k' 4:9 4:8 8:1000000 *7900000",
	};

	if (SANITIZED)
		fprintf(stderr, "test_gguf_damage: no limit on address space: a sanitizer needs more\n");
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		struct rlimit limit = {(rlim_t)256 << 20, (rlim_t)256 << 20};
		test_n_failed = 0;
		if (!SANITIZED)
			setrlimit(RLIMIT_AS, &limit);
		for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
			struct build b = {0};
			build_text(&b, lies[i]);
			CHECK(try_bytes(b.bytes, b.n, "lie", i) == TERN_ERR_FILE, "lie %zu: %s", i, err.message);
			tern_free(b.bytes);
		}
		exit(test_n_failed ? 2 : 0);
	}
	int result = -1;
	CHECK(waitpid(child, &result, 0) == child && result == 0, "wait status %x", (unsigned)result);
}

int main(int argc, char **argv)
{
	struct build b = {0};
	struct gguf gguf;

	test_seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20;
	build_text(&b, good_file);
	CHECK(tern_gguf_parse(&gguf, "m.gguf", b.bytes, b.n, &err) == TERN_OK, "%s", err.message);
	size_t n_header = gguf.n_tensors ? (size_t)gguf.tensors[0].offset : b.n;
	tern_gguf_free(&gguf);
	CHECK(b.n > 2000 && b.n < 4000, "the file has %zu bytes", b.n);

	test_truncations(b.bytes, b.n);
	test_flips(b.bytes, n_header, b.n);
	test_rewriting(b.bytes, n_header, b.n, 10000);
	test_memory_limit();
	tern_free(b.bytes);
	return test_summary();
}
