//go:build !linux

package main

import (
	"fmt"
	"os"
)

func runInit() int {
	fmt.Fprintf(os.Stderr, "mantle: error: %s\n", errPrivilege)
	return 126
}
