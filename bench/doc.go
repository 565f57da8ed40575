// Package bench holds the benchmarks that cross rooms. It has no code of its
// own: each benchmark is a sentence about the whole, and the tests beside them
// assert what a figure alone would only suggest.
//
//	go test -run '^$' -bench . ./bench
package bench
