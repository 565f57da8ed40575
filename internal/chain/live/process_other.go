//go:build !linux

package live

import (
	"errors"

	"github.com/mantle-iam/mantle/internal/chain"
)

// Process is another process, which can be looked at on Linux only.
func Process(int) (*chain.Surroundings, *World, error) {
	return nil, nil, errors.New("other processes can be examined on Linux only")
}

// Beside is a program beside another process, which can be looked at on Linux
// only.
func Beside(int, []string, User) (*chain.Surroundings, *World, error) { return Process(0) }
