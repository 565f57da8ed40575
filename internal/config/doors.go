package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/internal/metapath"
)

// Interception says how requests for AWS's link-local addresses come to the
// agent.
type Interception string

const (
	// InterceptNone leaves the addresses alone: programs find the agent by
	// variables of their environment.
	InterceptNone Interception = "none"
	// InterceptRedirect diverts what goes to the addresses, by rules of nftables.
	InterceptRedirect Interception = "redirect"
	// InterceptAddress has the host own the addresses, on lo.
	InterceptAddress Interception = "address"
)

// OnStop says what becomes of the interception when the agent ends.
type OnStop string

const (
	// StopClose refuses the addresses to everybody.
	StopClose OnStop = "close"
	// StopRemove leaves no trace, and real instance metadata in reach.
	StopRemove OnStop = "remove"
)

// NoSocket is the value of Agent.Socket that opens none.
const NoSocket = "none"

// Doors that can be intercepted.
const (
	DoorMetadata    = "metadata"
	DoorContainer   = "container"
	DoorPodIdentity = "pod_identity"
)

// Intercepts are the doors whose addresses the agent takes over; none without an
// interception.
func (a *Agent) Intercepts() []string {
	if a.Interception == InterceptNone || a.Interception == "" {
		return nil
	}
	if a.Intercept == nil {
		return []string{DoorMetadata}
	}
	return a.Intercept
}

// oneOf reads a string out of a few.
func oneOf[T ~string](d *decoder, v value, list ...T) T {
	it, ok := d.filled(v)
	if !ok {
		return ""
	}
	if slices.Contains(list, T(it.text)) {
		return T(it.text)
	}
	var names []string
	for _, x := range list {
		names = append(names, string(x))
	}
	d.add(it.at, d.suggest(it.text, names, "use one of "+strings.Join(names, ", ")), "there is no %s %s", v.name, quote(it.text))
	return ""
}

// doorFields are the arguments of the agent block that say which doors it has.
func doorFields() []field[Agent] {
	return []field[Agent]{
		{name: "pod_identity", want: "HOST:PORT", def: "none", doc: "Where the EKS Pod Identity endpoint listens, for example `169.254.170.23:80` on a loopback alias.",
			set: func(d *decoder, a *Agent, v value) { a.PodIdentity = d.listen(v, a.AllowRemote) }},
		{name: "socket", want: "path, or `none`", def: "`/run/mantle/agent.sock` for root, else `$XDG_RUNTIME_DIR/mantle/agent.sock`", doc: "The Unix socket at which `mantle credential-process`, `mantle env` and `mantle run` ask the agent. Every user of the host may connect: the kernel says who does.",
			set: func(d *decoder, a *Agent, v value) {
				if it, ok := d.filled(v); ok {
					if a.Socket = it.text; it.text != NoSocket {
						a.Socket = d.path(it.text)
						if len(a.Socket) > 107 { // sockaddr_un, unix(7)
							d.add(it.at, "shorten it to 107 bytes", "socket has a path of %d bytes", len(a.Socket))
						}
					}
				}
			}},
		{name: "interception", want: "`none`, `redirect` or `address`", def: "`none`", doc: "How programs without any variable of their environment come to the agent: `redirect` diverts AWS's link-local addresses by rules of nftables, for processes of the host and for containers alike, and refuses them to everybody while the agent is not there; `address` has the host own the addresses on `lo`, without rules, so that real instance metadata cannot be reached by the agent either. Both take CAP_NET_ADMIN.",
			set: func(d *decoder, a *Agent, v value) {
				a.Interception = oneOf(d, v, InterceptNone, InterceptRedirect, InterceptAddress)
			}},
		{name: "intercept", want: "list of `metadata`, `container` and `pod_identity`", def: "`[\"metadata\"]`", doc: "Which addresses are taken over: 169.254.169.254 and fd00:ec2::254, 169.254.170.2, 169.254.170.23 and fd00:ec2::23. The metadata endpoint wants a session token, which a forged GET cannot bring; `container` answers a caller that the kernel knows without one, so add it only where programs do not fetch addresses that others choose. On an ECS container instance leave it to ECS's own agent.",
			set: func(d *decoder, a *Agent, v value) {
				a.Intercept = []string{}
				for _, e := range d.elements(v) {
					if name := oneOf(d, e, DoorMetadata, DoorContainer, DoorPodIdentity); name != "" && !slices.Contains(a.Intercept, name) {
						a.Intercept = append(a.Intercept, name)
					}
				}
			}},
		{name: "on_stop", want: "`close` or `remove`", def: "`close`", doc: "What becomes of the interception when the agent ends: `close` refuses the addresses to everybody until it is back, `remove` leaves nothing behind, and the role of the host in everybody's reach.",
			set: func(d *decoder, a *Agent, v value) { a.OnStop = oneOf(d, v, StopClose, StopRemove) }},
		{name: "allow", want: "list of paths", def: "none", doc: "Paths of the real instance metadata service that workloads may read, such as `meta-data/placement/*`; `*` stands for one segment. Credentials, user data, signatures and what is not known to be harmless cannot be named.",
			set: func(d *decoder, a *Agent, v value) {
				for _, it := range d.list(v) {
					if _, err := metapath.Parse(it.text); err != nil {
						d.add(it.at, "as in meta-data/placement/* or meta-data/instance-id", "allow: %s", err)
						continue
					}
					a.Allow = append(a.Allow, it.text)
				}
			}},
		{name: "hop_limit", want: "1 to 64", def: "1", doc: "How many routers the answer to a request for a metadata token may pass. Containers behind a bridge of this host are none away; raise it for virtual machines that are.",
			set: func(d *decoder, a *Agent, v value) {
				if n, ok := d.number(v); ok && (n < 1 || n > 64) {
					d.add(v.at, "", "hop_limit is %d, and has to be 1 to 64", n)
				} else if ok {
					a.HopLimit = n
				}
			}},
		{name: "tokens", want: "path", def: "none", doc: "A folder in which every workload finds `NAME/token` and `NAME/env` (for `EnvironmentFile=` or `docker run --env-file`), for those that the kernel cannot tell apart. The files are readable by the `uid` or `user` of the workload's match, else by root alone; the tokens are new with every start of the agent.",
			set: func(d *decoder, a *Agent, v value) {
				if it, ok := d.filled(v); ok {
					a.Tokens = d.path(it.text)
				}
			}},
		{name: "metrics", want: "HOST:PORT", def: "none", doc: "Where `/metrics` (for Prometheus), `/healthz` and `/readyz` are answered, for example `127.0.0.1:9419`. They hold no secret, but names of roles.",
			set: func(d *decoder, a *Agent, v value) { a.Metrics = d.listen(v, a.AllowRemote) }},
		{name: "cache", want: "path", def: "none", doc: "A file that keeps loans between runs, sealed with the key in `cache_key`, so that an agent that starts while STS is down has what its predecessor had.",
			set: func(d *decoder, a *Agent, v value) {
				if it, ok := d.filled(v); ok {
					a.Cache = d.path(it.text)
				}
			}},
		{name: "cache_key", want: "path", def: "none", doc: "A file of 32 bytes or more that nobody but the agent's user can read, as `head -c 32 /dev/urandom` makes one, or a credential of systemd's.",
			set: func(d *decoder, a *Agent, v value) {
				if it, ok := d.filled(v); ok {
					a.CacheKey = d.path(it.text)
				}
			}},
	}
}

// checkDoors finds what no argument shows alone.
func (d *decoder) checkDoors(a *Agent) {
	if a.Interception == InterceptNone || !a.Where.Has("interception") {
		for _, name := range []string{"intercept", "on_stop"} {
			if a.Where.Has(name) {
				d.add(a.Where.At(name), `add interception = "redirect", or remove it`, "%s means nothing without an interception", name)
			}
		}
	}
	if a.Where.Has("intercept") && len(a.Intercept) == 0 && a.Intercepts() != nil {
		d.add(a.Where.At("intercept"), `name metadata, container or pod_identity, or write interception = "none"`, "intercept names no door")
	}
	if a.Interception == InterceptAddress && len(a.Allow) > 0 && slices.Contains(a.Intercepts(), DoorMetadata) {
		d.add(a.Where.At("allow"), `use interception = "redirect"`, "real instance metadata cannot be read while the host itself owns its address")
	}
	if (a.Cache == "") != (a.CacheKey == "") {
		at, other := "cache", "cache_key"
		if a.Cache == "" {
			at, other = other, at
		}
		d.add(a.Where.At(at), "add "+other, "%s means nothing without %s", at, other)
	}
}

// Source kinds of [Base].
const (
	BaseAuto        = "auto"         // the SDK's default chain
	BaseInstance    = "instance"     // the role of the EC2 instance, from instance metadata
	BaseContainer   = "container"    // the role of the ECS task or EKS pod that mantle itself runs in
	BaseEnvironment = "environment"  // AWS_ACCESS_KEY_ID and its like
	BaseProfile     = "profile"      // a profile of the shared AWS files
	BaseWebIdentity = "web_identity" // a role for a token in a file
	BaseProcess     = "process"      // what a command prints
)

// From is where mantle's own credentials come from: one of BaseAuto and its
// like.
func (b Base) From() string {
	switch {
	case b.Source != "":
		return b.Source
	case b.Profile != "":
		return BaseProfile
	}
	return BaseAuto
}

// baseSourceFields are the arguments of the base block besides profile and
// region.
func baseSourceFields() []field[Base] {
	return []field[Base]{
		{name: "source", want: "`auto`, `instance`, `container`, `environment`, `profile`, `web_identity` or `process`", def: "`auto`, the SDK's default chain, or `profile` where one is named", doc: "The one place where mantle looks for its own credentials: the role of the EC2 instance, that of the ECS task or EKS pod that mantle runs in, AWS_ACCESS_KEY_ID and its like, a profile, a token in a file that a role trusts, or what a command prints. A source that has nothing is an error; nothing else is then tried.",
			set: func(d *decoder, b *Base, v value) {
				b.Source = oneOf(d, v, BaseAuto, BaseInstance, BaseContainer, BaseEnvironment, BaseProfile, BaseWebIdentity, BaseProcess)
			}},
		{name: "role_arn", want: "role ARN", doc: "With `web_identity`: the role that trusts the token's issuer.",
			set: func(d *decoder, b *Base, v value) {
				if it, ok := d.text(v); ok {
					b.RoleARN = d.roleARN("role_arn", it)
				}
			}},
		{name: "token_file", want: "path", doc: "With `web_identity`: the file with the token. It is read again for each session.",
			set: func(d *decoder, b *Base, v value) {
				if it, ok := d.filled(v); ok {
					b.TokenFile = d.path(it.text)
				}
			}},
		{name: "command", want: "list of strings", doc: "With `process`: a command and its arguments that prints credentials as an AWS profile's credential_process does. It is run without a shell.",
			set: func(d *decoder, b *Base, v value) { b.Command = texts(d.list(v)) }},
		{name: "endpoint", want: "URL", def: "the region's", doc: "Where STS is called: a VPC endpoint, or a proxy. https, or http to this host.",
			set: func(d *decoder, b *Base, v value) { b.Endpoint = d.endpointURL(v) }},
		{name: "fips", want: "bool", def: "the SDK's", doc: "Call STS at its FIPS endpoint.",
			set: func(d *decoder, b *Base, v value) { b.FIPS = d.truth(v) }},
		{name: "dual_stack", want: "bool", def: "the SDK's", doc: "Call STS at its endpoint for IPv4 and IPv6.",
			set: func(d *decoder, b *Base, v value) { b.DualStack = d.truth(v) }},
		{name: "ca_bundle", want: "path", def: "the system's", doc: "A PEM file with the certificates that answers of STS must be signed by.",
			set: func(d *decoder, b *Base, v value) {
				if it, ok := d.filled(v); ok {
					b.CABundle = d.path(it.text)
				}
			}},
	}
}

// checkBase finds arguments that do not go together.
func (d *decoder) checkBase(b *Base) {
	if b.Source == "" && b.Where.Has("source") {
		return // it was said that it is none of the known ones
	}
	source := b.From()
	for _, x := range []struct {
		source, argument string
	}{
		{BaseProfile, "profile"},
		{BaseWebIdentity, "role_arn"},
		{BaseWebIdentity, "token_file"},
		{BaseProcess, "command"},
	} {
		has := b.Where.Has(x.argument)
		switch {
		case source == x.source && !has:
			d.add(b.Where.At("source"), "add "+x.argument, "source %s needs %s", quote(x.source), x.argument)
		case source != x.source && has && (x.source != BaseProfile || b.Source != ""):
			d.add(b.Where.At(x.argument), "write source = "+quote(x.source)+", or remove it", "%s means nothing with source %s", x.argument, quote(source))
		}
	}
	if b.Where.Has("command") && b.Source == BaseProcess && len(b.Command) == 0 {
		d.add(b.Where.At("command"), "", "command is empty")
	}
	if b.Endpoint != "" && (b.FIPS || b.DualStack) {
		d.add(b.Where.At("endpoint"), "name the right endpoint and remove fips and dual_stack", "fips and dual_stack choose an endpoint, and endpoint names another")
	}
}

// checkInterception finds what the agent's doors and mantle's own credentials
// do to each other.
func (d *decoder) checkInterception(c *Config) {
	doors := c.Agent.Intercepts()
	if c.Agent.Interception != InterceptAddress {
		return
	}
	if c.Base.From() == BaseInstance && slices.Contains(doors, DoorMetadata) {
		d.add(c.Base.Where.At("source"), `use interception = "redirect", which lets the agent itself through`, "the instance's credentials cannot be read while the host itself owns the address of instance metadata (interception at %s)", c.Agent.Where.At("interception"))
	}
}

// endpointURL reads the URL of an AWS API.
func (d *decoder) endpointURL(v value) string {
	it, ok := d.filled(v)
	if !ok {
		return ""
	}
	u, err := url.Parse(it.text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		d.add(it.at, "as in https://vpce-0123-abcd.sts.eu-west-1.vpce.amazonaws.com", "%s is no URL of an API", quote(it.text))
		return ""
	case u.Scheme == "https":
	case u.Scheme == "http" && localHost(u.Hostname()):
	default:
		d.add(it.at, "write https", "%s would send sessions in the clear", quote(it.text))
		return ""
	}
	return strings.TrimSuffix(it.text, "/")
}

func localHost(name string) bool {
	ip, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && ip.IsLoopback()
}
