// The least program there is: loads wherever BPF can be used.
__attribute__((section("socket"), used)) int minimal(void *ctx)
{
	return 0;
}
