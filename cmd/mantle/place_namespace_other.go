//go:build !linux

package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os/exec"
)

// namespace is a network of a place's own. Only Linux has them.
type namespace struct{}

var errPrivilege = errors.New("only Linux has network namespaces")

func newNamespace(...string) (*namespace, error) { return nil, errPrivilege }

func newMachine(netip.Addr, string, string) (*namespace, error) { return nil, errPrivilege }

func joinNamespace(int) (*namespace, error) { return nil, errPrivilege }

func (*namespace) listen(string) (net.Listener, error) { return nil, errPrivilege }

func (*namespace) listenBeyond(string) (net.Listener, error) { return nil, errPrivilege }

func (*namespace) dial(context.Context, string, string) (net.Conn, error) { return nil, errPrivilege }

func (*namespace) start(*exec.Cmd) error { return errPrivilege }

func (*namespace) close() {}

func walled(*exec.Cmd) {}

func mortal(*exec.Cmd) {}

func privileged() error { return errPrivilege }
