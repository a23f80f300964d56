#include "model/file_kind.h"

#include "base/bytes.h"

#include <string.h>

const char *tern_guess_file_kind(const uint8_t *bytes, size_t n_bytes)
{
	static const char pytorch[] = "it is a ZIP archive or Python pickle, perhaps a PyTorch checkpoint; save that "
	                              "as safetensors, then use "
	                              "tern-convert";
	static const char ggml[] = "it is a GGML file, the format before GGUF; get the model as GGUF";
	static const char *const kinds[][2] = {
	        {"version https://git-lfs",
	         "it is a Git LFS pointer, not the file itself; fetch that with 'git lfs pull'"},
	        {"<", "it is a web page (HTML or XML): the download went wrong"},
	        {"{",
	         "it is JSON, perhaps an error message from a download; tern-convert takes the directory that holds "
	         "config.json"},
	        {"\x89PNG", "it is a PNG image"},
	        {"\xff\xd8\xff", "it is a JPEG image"},
	        {"PK\x03\x04", pytorch},
	        {"\x80\x02", pytorch},
	        {"\x1f\x8b", "it is gzip-compressed; unpack it first"},
	        {"\x28\xb5\x2f\xfd", "it is zstd-compressed; unpack it first"},
	        {"\x7f\x45LF", "it is a program"},
	        {"GGUF", "it is a GGUF file"},
	        {"lmgg", ggml},
	        {"fmgg", ggml},
	        {"tjgg", ggml},
	};

	if (n_bytes > 8 && bytes[8] == '{' && tern_load_u64(bytes) <= n_bytes - 8)
		return "it is a safetensors file; convert the directory it is in with tern-convert";
	while (n_bytes > 0 && (*bytes == ' ' || *bytes == '\n' || *bytes == '\r' || *bytes == '\t'))
		bytes++, n_bytes--;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		size_t n = strlen(kinds[i][0]);
		if (n <= n_bytes && memcmp(bytes, kinds[i][0], n) == 0)
			return kinds[i][1];
	}
	return NULL;
}
