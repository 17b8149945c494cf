/*
 * build.c - a library of two builds: what is called lies at other addresses.
 */
int build_marker(int x);
int build_filler(int x);

#if BUILD == 2
int build_filler(int x)
{
	return x * 5 + 7;
}
#endif

int build_marker(int x)
{
	return x * 3 + BUILD;
}

#if BUILD == 1
int build_filler(int x)
{
	return x * 5 + 7;
}
#endif
