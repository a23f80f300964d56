/* base/file: opening, reading, and writing that leaves a whole file or none. */
#include "inject.h"
#include "scratch.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static struct tern_error err;

/* ---- reading ---- */

static void refuses(const char *path, bool map, const char *expected)
{
	struct tern_file file;
	uint8_t *bytes;
	size_t n;

	CHECK(tern_file_open(&file, path, map, &err) == TERN_ERR_FILE, "%s was opened", path);
	CHECK(strstr(err.message, expected) && strstr(err.message, path), "%s", err.message);
	CHECK(!file.data && !file.size, "%s left something", path);
	tern_file_close(&file);
	CHECK(tern_read_file(path, 100, &bytes, &n, &err) == TERN_ERR_FILE, "%s was read", path);
	CHECK(strstr(err.message, expected) && !bytes, "%s", err.message);
}

static void test_refused(void)
{
	const char *pipe_path = scratch_path("pipe");

	for (int map = 0; map < 2; map++) {
		refuses(scratch_path("missing"), map, "No such file");
		refuses(scratch_directory, map, "is a directory");
		refuses("/dev/null", map, "is a device");
	}
	CHECK(mkfifo(pipe_path, 0600) == 0, "mkfifo: %s", strerror(errno));
	refuses(pipe_path, true, "is a pipe"); /* and does not wait for a writer */
	unlink(pipe_path);
	if (geteuid() != 0) {
		scratch_write(scratch_path("secret"), "x", 1);
		chmod(scratch_path("secret"), 0);
		refuses(scratch_path("secret"), true, "Permission denied");
	}
}

static void test_open(void)
{
	static const size_t sizes[] = {0, 1, 63, 64, 4096, 4097, 100000};
	static uint8_t bytes[100000];
	const char *path = scratch_path("data");
	struct tern_file file;

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)test_random();
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		scratch_write(path, bytes, sizes[i]);
		for (int map = 0; map < 2; map++) {
			CHECK(tern_file_open(&file, path, map, &err) == TERN_OK, "%s", err.message);
			CHECK(file.size == sizes[i] && memcmp(file.data, bytes, sizes[i]) == 0, "%zu bytes", sizes[i]);
			CHECK((uintptr_t)file.data % 64 == 0, "not aligned");
			CHECK(file.is_mapped == (map && sizes[i] > 0), "%zu bytes, map %d", sizes[i], map);
			tern_file_release(&file, file.data, sizes[i]);
			CHECK(memcmp(file.data, bytes, sizes[i]) == 0, "%zu bytes, released", sizes[i]);
			tern_file_close(&file);
			CHECK(!file.data, "closed file still has data");
		}
	}
}

static void test_read_limits(void)
{
	static const char text[] = "0123456789";
	const char *path = scratch_path("text");
	uint8_t *bytes;
	size_t n;
	int ends[2];

	scratch_write(path, text, 10);
	CHECK(tern_read_file(path, 10, &bytes, &n, &err) == TERN_OK && n == 10, "%s", err.message);
	CHECK(memcmp(bytes, text, 11) == 0, "the NUL is missing");
	tern_free(bytes);
	CHECK(tern_read_file(path, 9, &bytes, &n, &err) == TERN_ERR_FILE, "10 bytes fit 9");
	CHECK(strstr(err.message, "longer than 9 bytes"), "%s", err.message);

	CHECK(pipe(ends) == 0 && write(ends[1], text, 10) == 10, "pipe");
	CHECK(tern_read_all(ends[0], "stdin", 9, &bytes, &n, &err) == TERN_ERR_FILE, "10 bytes fit 9");
	CHECK(strstr(err.message, "stdin: longer than 9"), "%s", err.message);
	CHECK(write(ends[1], text, 10) == 10 && write(ends[1], "", 1) == 1, "pipe");
	close(ends[1]);
	CHECK(tern_read_all(ends[0], "stdin", 11, &bytes, &n, &err) == TERN_OK && n == 11, "%s", err.message);
	CHECK(memcmp(bytes, "0123456789\0", 12) == 0, "wrong bytes from the pipe");
	tern_free(bytes);
	CHECK(tern_read_all(ends[0], "stdin", 0, &bytes, &n, &err) == TERN_OK && n == 0 && bytes && !*bytes,
	      "at the end");
	tern_free(bytes);
	close(ends[0]);
	CHECK(tern_read_all(ends[0], "stdin", 5, &bytes, &n, &err) == TERN_ERR_FILE && !bytes, "closed descriptor");
}

static void test_read_large_pipe(void)
{
	enum {
		N = 1000000
	};
	uint8_t *bytes;
	size_t n, wrong = 0;
	int ends[2];

	CHECK(pipe(ends) == 0, "pipe");
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		for (int i = 0; i < N; i++) {
			static uint8_t chunk[1000];
			chunk[i % 1000] = (uint8_t)(i * 7);
			if (i % 1000 == 999 && !write_whole(ends[1], chunk, sizeof chunk))
				_exit(1);
		}
		_exit(0);
	}
	close(ends[1]);
	CHECK(tern_read_all(ends[0], "stdin", N, &bytes, &n, &err) == TERN_OK && n == N, "%s", err.message);
	for (size_t i = 0; i < n; i++)
		wrong += bytes[i] != (uint8_t)(i * 7);
	CHECK(wrong == 0, "%zu wrong bytes", wrong);
	tern_free(bytes);
	close(ends[0]);
	waitpid(child, NULL, 0);
}

/* ---- writing ---- */

/* Whether the file at path contains exactly this text; for NULL, whether there is no file. */
static bool holds(const char *path, const char *text)
{
	uint8_t *bytes;
	size_t n;

	if (!text)
		return access(path, F_OK) != 0;
	if (tern_read_file(path, 1 << 24, &bytes, &n, NULL))
		return false;
	bool equal = n == strlen(text) && memcmp(bytes, text, n) == 0;
	tern_free(bytes);
	return equal;
}

static void test_write(void)
{
	const char *path = scratch_path("out");
	struct tern_outfile out;
	struct stat st;

	scratch_count(true);
	CHECK(tern_outfile_open(&out, path, false, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_outfile_write(&out, "hello ", 6, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_outfile_write(&out, NULL, 0, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_outfile_write(&out, "world", 5, &err) == TERN_OK && out.n_written == 11, "%s", err.message);
	CHECK(holds(path, NULL) && scratch_count(false) == 1, "the target is there too early");
	CHECK(tern_outfile_commit(&out, &err) == TERN_OK, "%s", err.message);
	CHECK(holds(path, "hello world") && scratch_count(false) == 1, "not committed");
	tern_outfile_abort(&out);
	CHECK(holds(path, "hello world"), "abort after commit did something");

	CHECK(tern_outfile_open(&out, path, false, &err) == TERN_ERR_USAGE, "replaced without being told to");
	CHECK(strstr(err.message, "exists already"), "%s", err.message);
	tern_outfile_abort(&out);

	chmod(path, 0600);
	CHECK(tern_outfile_open(&out, path, true, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_outfile_write(&out, "new", 3, &err) == TERN_OK, "%s", err.message);
	tern_outfile_abort(&out);
	CHECK(holds(path, "hello world") && scratch_count(false) == 1, "abort left something");

	CHECK(tern_outfile_open(&out, path, true, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_outfile_write(&out, "new", 3, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_outfile_commit(&out, &err) == TERN_OK && holds(path, "new"), "%s", err.message);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "a private file became public");
	scratch_count(true);
}

static void test_write_targets(void)
{
	struct tern_outfile out, zero = {0};
	struct stat st;

	CHECK(tern_outfile_open(&out, scratch_directory, true, &err) == TERN_ERR_FAILED, "wrote over a directory");
	CHECK(strstr(err.message, "is a directory"), "%s", err.message);
	CHECK(tern_outfile_open(&out, "/dev/null", true, &err) == TERN_ERR_FAILED, "wrote over /dev/null");
	CHECK(tern_outfile_open(&out, scratch_path("no/such/place"), true, &err) == TERN_ERR_FAILED, "wrote nowhere");
	CHECK(strstr(err.message, "No such file"), "%s", err.message);
	CHECK(symlink("nowhere", scratch_path("link")) == 0, "symlink");
	for (int overwrite = 0; overwrite < 2; overwrite++)
		CHECK(tern_outfile_open(&out, scratch_path("link"), overwrite, &err) == TERN_ERR_USAGE &&
		              strstr(err.message, "leads nowhere (No such file"),
		      "a link: '%s'", err.message);
	scratch_write(scratch_path("real"), "old", 3);
	CHECK(symlink("real", scratch_path("alias")) == 0, "symlink");
	CHECK(!tern_outfile_open(&out, scratch_path("alias"), true, &err) &&
	              !tern_outfile_write(&out, "new", 3, &err) && !tern_outfile_commit(&out, &err),
	      "%s", err.message);
	CHECK(holds(scratch_path("real"), "new") && lstat(scratch_path("alias"), &st) == 0 && S_ISLNK(st.st_mode),
	      "a link was replaced");
	CHECK(chmod(scratch_path("real"), 0400) == 0, "chmod");
	if (access(scratch_path("real"), W_OK) != 0) { /* not as root */
		CHECK(tern_outfile_open(&out, scratch_path("real"), true, &err) == TERN_ERR_FAILED, "wrote");
		CHECK(strstr(err.message, "cannot write"), "%s", err.message);
	}
	tern_outfile_abort(&zero);
	CHECK(fcntl(0, F_GETFD) != -1 || errno != EBADF, "aborting nothing closed descriptor 0");

	/* Two writers of one file do not disturb each other; the last to commit wins. */
	struct tern_outfile other;
	const char *path = scratch_path("both");
	CHECK(tern_outfile_open(&out, path, false, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_outfile_open(&other, path, false, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_outfile_write(&out, "1", 1, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_outfile_write(&other, "22", 2, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_outfile_commit(&other, &err) == TERN_OK && holds(path, "22"), "%s", err.message);
	CHECK(tern_outfile_commit(&out, &err) == TERN_OK && holds(path, "1"), "%s", err.message);
	scratch_count(true);
}

/* Files that might be temporary ones of scratch_path("out"). */
static const struct left_file {
	const char *format; /* of the name, with a pid */
	bool is_dead, stays;
} left_files[] = {
        {"out.%ld-0.tmp", true, false}, {"out.%ld-17.tmp", true, false},
        {"out.%ld-0.tmp", false, true}, {"other.%ld-0.tmp", true, true},
        {"out.%ld.tmp", true, true},    {"out.%ld-0.tmp.gguf", true, true},
        {"out.-%ld-0.tmp", true, true}, {"out.0%ld0000000000-0.tmp", true, true},
};

static const char *left_path(const struct left_file *file, pid_t dead)
{
	char name[64];

	snprintf(name, sizeof name, file->format, (long)(file->is_dead ? dead : getppid()));
	return scratch_path(name);
}

/* Opening `path`, which is scratch_path("out"), removes its temporary files of processes that no longer run. */
static void test_abandoned(const char *path)
{
	char target[sizeof scratch_directory + 8];
	struct tern_outfile out;
	pid_t dead = fork();

	if (dead == 0)
		_exit(0);
	CHECK(dead > 0 && waitpid(dead, NULL, 0) == dead, "fork");
	snprintf(target, sizeof target, "%s", path); /* scratch_path() reuses its memory */
	for (size_t i = 0; i < sizeof left_files / sizeof *left_files; i++)
		scratch_write(left_path(&left_files[i], dead), "x", 1);
	CHECK(tern_outfile_open(&out, target, false, &err) == TERN_OK, "%s", err.message);
	for (size_t i = 0; i < sizeof left_files / sizeof *left_files; i++) {
		const char *left = left_path(&left_files[i], dead);
		CHECK((access(left, F_OK) == 0) == left_files[i].stays, "%s", left);
	}
	tern_outfile_abort(&out);
	scratch_count(true);
}

/* A relative path, whose directory is ".". */
static void test_write_relative(void)
{
	char before[1024];
	struct tern_outfile out;

	CHECK(getcwd(before, sizeof before) && chdir(scratch_directory) == 0, "chdir");
	CHECK(tern_outfile_open(&out, "plain", false, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_outfile_commit(&out, &err) == TERN_OK && holds("plain", ""), "%s", err.message);
	scratch_count(true);
	test_abandoned("out");
	CHECK(chdir(before) == 0, "chdir");
	scratch_count(true);
}

/* Pieces around the size of the buffer arrive in order. */
static void test_write_pieces(void)
{
	static const size_t pieces[] = {
	        1, BUFFER_SIZE - 1, 2, BUFFER_SIZE, 3, BUFFER_SIZE + 1, BUFFER_SIZE / 2, BUFFER_SIZE / 2,
	        5, 3 * BUFFER_SIZE};
	const char *path = scratch_path("pieces");
	uint8_t *bytes = tern_alloc(4 * BUFFER_SIZE, 1), *read_back;
	size_t n = 0, n_read, wrong = 0, at = 0;
	struct tern_outfile out;

	CHECK(tern_outfile_open(&out, path, false, &err) == TERN_OK, "%s", err.message);
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; n += pieces[i++]) {
		memset(bytes, (int)i, pieces[i]);
		CHECK(tern_outfile_write(&out, bytes, pieces[i], &err) == TERN_OK, "%s", err.message);
	}
	CHECK(out.n_written == n, "n_written");
	CHECK(tern_outfile_commit(&out, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_read_file(path, n, &read_back, &n_read, &err) == TERN_OK && n_read == n, "%s", err.message);
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces && n_read == n; i++)
		for (size_t j = 0; j < pieces[i]; j++)
			wrong += read_back[at++] != i;
	CHECK(wrong == 0, "%zu wrong bytes", wrong);
	tern_free(read_back);
	tern_free(bytes);
	scratch_count(true);
}

/* A full disk, simulated by a limit on file size: the old file stays and nothing else is left. */
static void test_disk_full(void)
{
	const char *path = scratch_path("full");
	struct rlimit limit, small;
	struct tern_outfile out;
	static uint8_t bytes[100000];
	enum tern_status status;

	scratch_write(path, "old", 3);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	small = limit;
	small.rlim_cur = 300000;
	CHECK(tern_outfile_open(&out, path, true, &err) == TERN_OK, "%s", err.message);
	setrlimit(RLIMIT_FSIZE, &small);
	for (int i = 0; (status = tern_outfile_write(&out, bytes, sizeof bytes, &err)) == TERN_OK && i < 100; i++)
		continue;
	setrlimit(RLIMIT_FSIZE, &limit);
	CHECK(status == TERN_ERR_FAILED && strstr(err.message, "File too large"), "%s", err.message);
	tern_outfile_abort(&out);
	CHECK(holds(path, "old") && scratch_count(false) == 1, "the old file suffered");
	CHECK(tern_outfile_open(&out, path, true, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_outfile_check_space(&out, 1000, &err) == TERN_OK, "%s", err.message);
	CHECK(tern_outfile_check_space(&out, UINT64_MAX, &err) == TERN_ERR_FAILED, "2^64 bytes are free");
	CHECK(strstr(err.message, "needs 18446744073709551615 bytes, ") && strstr(err.message, " free"), "%s",
	      err.message);
	tern_outfile_abort(&out);
	scratch_count(true);
}

/* ---- every system call and allocation fails once ---- */

static enum tern_status write_something(struct tern_error *error)
{
	static uint8_t bytes[BUFFER_SIZE];
	const char *path = scratch_path("target");
	struct tern_outfile out;
	enum tern_status status = tern_outfile_open(&out, path, true, error);

	memset(bytes, 'x', sizeof bytes);
	if (status == TERN_OK) {
		if ((status = tern_outfile_check_space(&out, 10, error)) ||
		    (status = tern_outfile_write(&out, "abc", 3, error)) ||
		    (status = tern_outfile_write(&out, bytes, sizeof bytes, error)))
			tern_outfile_abort(&out);
		else
			status = tern_outfile_commit(&out, error);
	}
	unsetenv("TERN_FAIL_IO");
	unsetenv("TERN_FAIL_ALLOC");
	CHECK(scratch_count(false) == 1, "%d files are there", scratch_count(false));
	CHECK(holds(path, "old") == (status != TERN_OK), "status %d, but the old file is %s", (int)status,
	      status ? "gone" : "there");
	CHECK(status == TERN_OK || status == TERN_ERR_FAILED, "status %d", (int)status);
	scratch_write(path, "old", 3);
	return status;
}

static enum tern_status read_something(struct tern_error *error)
{
	const char *path = scratch_path("target");
	struct tern_file file;
	uint8_t *bytes;
	size_t n;
	enum tern_status status;

	for (int map = 0; map < 2; map++) {
		if ((status = tern_file_open(&file, path, map, error)))
			return status;
		CHECK(file.size == 3 && memcmp(file.data, "old", 3) == 0, "wrong data");
		tern_file_close(&file);
	}
	status = tern_read_file(path, 3, &bytes, &n, error);
	CHECK(status || (n == 3 && memcmp(bytes, "old", 4) == 0), "wrong data");
	tern_free(bytes);
	return status;
}

static void test_failures(void)
{
	int n;

	scratch_count(true);
	scratch_write(scratch_path("target"), "old", 3);
	n = inject_all("TERN_FAIL_IO", write_something);
	CHECK(n >= 6, "%d calls failed: open, write, write, fsync, close, rename", n);
	n = inject_all("TERN_FAIL_ALLOC", write_something);
	CHECK(n == 3, "%d allocations failed", n);
	n = inject_all("TERN_FAIL_IO", read_something);
	CHECK(n >= 10, "%d calls failed", n);
	n = inject_all("TERN_FAIL_ALLOC", read_something);
	CHECK(n == 2, "%d allocations failed", n);
	scratch_count(true);
}

int main(void)
{
	scratch_begin();
	test_refused();
	test_open();
	test_read_limits();
	test_read_large_pipe();
	test_write();
	test_write_targets();
	test_abandoned(scratch_path("out"));
	test_write_relative();
	test_write_pieces();
	test_disk_full();
	test_failures();
	scratch_end();
	return test_summary();
}
