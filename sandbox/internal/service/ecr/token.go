package ecr

import (
	"crypto/rand"
	"encoding/base64"
	"time"

	api "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// tokenLife is how long a registry's password is good for.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
const tokenLife = 12 * time.Hour

// getAuthorizationToken makes the password of docker login, whose user is
// AWS. The sandbox has no registry to take it; see the package comment.
func (c *call) getAuthorizationToken(in *api.GetAuthorizationTokenInput) (*api.GetAuthorizationTokenOutput, error) {
	ids := in.RegistryIds
	if len(ids) == 0 {
		ids = []string{c.req.Account()}
	}
	out := &api.GetAuthorizationTokenOutput{AuthorizationData: []types.AuthorizationData{}}
	for _, id := range ids {
		var secret [96]byte
		rand.Read(secret[:]) // never fails
		password := base64.StdEncoding.EncodeToString(secret[:])
		out.AuthorizationData = append(out.AuthorizationData, types.AuthorizationData{
			AuthorizationToken: new(base64.StdEncoding.EncodeToString([]byte("AWS:" + password))),
			ExpiresAt:          new(c.now().Add(tokenLife)),
			ProxyEndpoint:      new("https://" + c.host(c.registry(&id))),
		})
	}
	return out, nil
}
