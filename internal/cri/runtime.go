package cri

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Sockets of the runtimes where they are by default.
const (
	ContainerdSocket = "unix:///run/containerd/containerd.sock"
	CRIOSocket       = "unix:///var/run/crio/crio.sock"
)

// maxMessage is the size in bytes of the largest answer that is read: what the
// kubelet allows.
const maxMessage = 16 << 20

// callTime is how long one question may take.
const callTime = 10 * time.Second

// connect returns a client of the runtime at a unix:// address. It connects
// when it is first asked, and again whenever it must.
func connect(address string) (*grpc.ClientConn, cri.RuntimeServiceClient, error) {
	path, ok := strings.CutPrefix(address, "unix://")
	if !ok || !strings.HasPrefix(path, "/") {
		return nil, nil, fmt.Errorf("the runtime's address %q is not unix:// and an absolute path, as in %s", address, ContainerdSocket)
	}
	c, err := grpc.NewClient("unix://"+path,
		grpc.WithTransportCredentials(insecure.NewCredentials()), // a socket of this host, guarded by its mode
		grpc.WithNoProxy(),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: 3 * time.Second, Backoff: pauses()}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	if err != nil {
		return nil, nil, fmt.Errorf("connect to the runtime at %s: %w", address, err)
	}
	return c, cri.NewRuntimeServiceClient(c), nil
}

// ErrNoCRI says that a runtime is there and does not speak version 1 of the CRI.
var ErrNoCRI = errors.New(`it does not speak CRI v1: containerd needs version 1.6 or later and its CRI plugin, which "disabled_plugins = [\"cri\"]" in /etc/containerd/config.toml turns off; containers that ctr alone started are not supported`)

// explain turns an error of gRPC into one for people.
func explain(address string, err error) error {
	switch status.Code(err) {
	case codes.Unimplemented:
		return fmt.Errorf("runtime at %s: %w", address, ErrNoCRI)
	case codes.Unavailable:
		return fmt.Errorf("runtime at %s cannot be reached: %s", address, status.Convert(err).Message())
	case codes.PermissionDenied:
		return fmt.Errorf("runtime at %s may not be asked: %s (run the agent as root)", address, status.Convert(err).Message())
	}
	return fmt.Errorf("ask the runtime at %s: %w", address, err)
}

// version asks which runtime it is, by the name that the kubelet puts before
// container ids: "containerd" or "cri-o".
func version(ctx context.Context, c cri.RuntimeServiceClient) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	v, err := c.Version(ctx, &cri.VersionRequest{Version: "v1"})
	if err != nil {
		return "", err
	}
	return v.GetRuntimeName(), nil
}
