/* The conversion with every allocation and every system call of the library's failing in turn: an error each time, no
 * leak (under the address sanitizer) and no file left behind. */
#include "inject.h"

#include "checkpoint_build.h"
#include "convert/convert_checkpoint.h"
#include "where.h"

/* Converts the scratch directory and checks what is left. */
static enum tern_status attempt(struct tern_error *err)
{
	struct checkpoint_summary summary;
	char output[800];

	snprintf(output, sizeof output, "%s", scratch_path("out.gguf"));
	struct convert_options options = {.input = scratch_directory, .output = output, .force = true, .n_threads = 2};
	remove(output);
	enum tern_status status = convert_checkpoint(&options, &summary, err);
	/* The three inputs, and the output if it was made. */
	int n = scratch_count(false);
	CHECK(n == 3 + (status == TERN_OK), "status %d: %d files", (int)status, n);
	CHECK(status == TERN_OK || status == TERN_ERR_FAILED || status == TERN_ERR_FILE, "status %d", (int)status);
	return status;
}

int main(void)
{
	static const char config[] = B_CONFIG_START B_BITNET;
	int n_failed;

	on_this_cpu();
	no_new_threads();
	scratch_begin();
	build_checkpoint(&(struct build_options){.storage = BUILD_MASTER, .norms = true}, config);
	n_failed = inject_all("TERN_FAIL_ALLOC", attempt);
	CHECK(n_failed > 50, "%d allocations failed", n_failed);
	n_failed = inject_all("TERN_FAIL_IO", attempt);
	CHECK(n_failed > 5, "%d system calls failed", n_failed);
	scratch_end();
	return test_summary();
}
