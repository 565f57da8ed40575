package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

// sourceFlags name where the picture of the accounts comes from. The verbs that
// ask questions share them.
type sourceFlags struct {
	sandbox, plan, state, terraform string
	details, scp, live, accounts    []string
	vars                            []tf.Assignment
	as, region                      string
	changed                         map[string][]byte // Terraform files to read in place of what the folder holds
	spaced                          string            // an argument that is the address of --sandbox
}

// anySandbox is --sandbox without an address.
const anySandbox = "default"

func (f *sourceFlags) add(c *cobra.Command) {
	fs := c.Flags()
	fs.StringVar(&f.sandbox, "sandbox", "", "read a running sandbox, at `URL` if it is not the usual one (default source if AWS_ENDPOINT_URL points to one)")
	fs.Lookup("sandbox").NoOptDefVal = anySandbox
	fs.StringVar(&f.terraform, "terraform", "", "read the Terraform configuration in `DIR` (default source: . if it holds some)")
	fs.StringVar(&f.plan, "plan", "", "read a plan, `FILE` as terraform show -json prints it; add --terraform for places and for what it leaves open")
	fs.StringVar(&f.state, "state", "", "read a state, `FILE` as terraform show -json prints it")
	fs.StringArrayVar(&f.details, "details", nil, "read `FILE` with the output of aws iam get-account-authorization-details, repeatable")
	fs.StringArrayVar(&f.live, "live", nil, "read an AWS account with calls that change nothing, with the SDK's own credentials or those of `PROFILE`, repeatable")
	fs.Lookup("live").NoOptDefVal = "default"
	fs.StringArrayVar(&f.scp, "scp", nil, "`ACCOUNT=FILE[,FILE...]`: service control policies over an account, one level for each flag from the root down")
	fs.Var(assignments{&f.vars, false}, "var", "`NAME=VALUE` of a variable of the Terraform configuration, repeatable")
	fs.Var(assignments{&f.vars, true}, "var-file", "`FILE` with variables of the Terraform configuration, repeatable")
	fs.StringArrayVar(&f.accounts, "account", nil, "`NAME=ID`: what to call an account; for Terraform NAME may be a provider's alias or profile, repeatable")
	fs.StringVar(&f.as, "as", "", "`ID` or name of the account that Terraform's resources belong to where nothing says it")
	fs.StringVar(&f.region, "region", "", "region of providers that name none, and of --live")
	if args := c.Args; args != nil {
		c.Args = func(c *cobra.Command, list []string) error { return args(c, f.withoutAddress(list)) }
	}
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, list []string) error { return run(c, f.withoutAddress(list)) }
	}
}

// withoutAddress takes the address of a sandbox out of a verb's arguments: a flag
// whose value may be left out does not take the next argument as its value, and
// people write --sandbox URL as other flags.
func (f *sourceFlags) withoutAddress(args []string) []string {
	if f.sandbox != anySandbox && f.spaced == "" {
		return args
	}
	for i, arg := range args {
		u, err := url.Parse(arg)
		if isURL := err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"); !isURL || f.spaced != "" && arg != f.spaced {
			continue
		}
		f.sandbox, f.spaced = arg, arg
		return slices.Concat(args[:i], args[i+1:])
	}
	return args
}

// assignments are --var and --var-file, whose order counts.
type assignments struct {
	into *[]tf.Assignment
	file bool
}

var _ pflag.Value = assignments{}

func (a assignments) String() string { return "" }

func (a assignments) Type() string { return "string" }

func (a assignments) Set(s string) error {
	if a.file {
		*a.into = append(*a.into, tf.Assignment{File: s})
		return nil
	}
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return fmt.Errorf("%q is not NAME=VALUE", s)
	}
	*a.into = append(*a.into, tf.Assignment{Name: strings.TrimSpace(name), Value: value})
	return nil
}

// named reads --account: ids by name.
func (f *sourceFlags) named() (map[string]string, error) {
	out := map[string]string{}
	for _, a := range f.accounts {
		name, id, ok := strings.Cut(a, "=")
		if !ok || name == "" || !isAccountID(id) {
			return nil, usagef("--account %s is not NAME=ID", a).withHint("for example --account dev=111122223333; an account id has 12 digits")
		}
		out[name] = id
	}
	return out, nil
}

// estate is the picture that the flags describe.
func (e *env) estate(ctx context.Context, f *sourceFlags) (*estate.Estate, error) {
	names, err := f.named()
	if err != nil {
		return nil, err
	}
	chosen := *f
	if err := e.defaultSource(&chosen); err != nil {
		return nil, err
	}
	var parts []*estate.Estate
	add := func(part *estate.Estate, err error) error {
		if err == nil {
			parts = append(parts, part)
		}
		return err
	}
	if chosen.sandbox != "" {
		if err := add(e.sandboxEstate(ctx, chosen.sandbox)); err != nil {
			return nil, err
		}
	}
	if len(chosen.details) > 0 {
		files, err := readFiles("--details", chosen.details)
		if err != nil {
			return nil, err
		}
		if err := add(estate.FromDetails(files...)); err != nil {
			return nil, &exitError{code: exitUsage, err: err}
		}
	}
	if chosen.terraform != "" || chosen.plan != "" || chosen.state != "" {
		if err := add(e.terraformEstate(&chosen, names)); err != nil {
			return nil, err
		}
	}
	for _, profile := range chosen.live {
		if err := add(e.liveEstate(ctx, profile, chosen.region)); err != nil {
			return nil, err
		}
	}
	whole := parts[0]
	if len(parts) > 1 {
		if whole, err = estate.Merge(parts...); err != nil {
			return nil, &exitError{code: exitUsage, err: err}
		}
	}
	for name, id := range names {
		whole.Names[id] = name
	}
	return whole, chosen.addSCPs(whole)
}

// defaultSource chooses a source where no flag does.
func (e *env) defaultSource(f *sourceFlags) error {
	if f.sandbox != "" || len(f.details) > 0 || len(f.live) > 0 || f.plan != "" || f.state != "" || f.terraform != "" {
		return nil
	}
	if endpoint := e.get("AWS_ENDPOINT_URL"); endpoint != "" {
		if u, err := url.Parse(endpoint); err == nil && isLoopback(u.Host) {
			f.sandbox = endpoint
			return nil
		}
	}
	if tf.HasConfiguration(".") {
		f.terraform = "."
		return nil
	}
	return usagef("nothing says which accounts this is about").withHint("name a source: --sandbox, --details FILE, --terraform DIR, --plan FILE, --state FILE or --live")
}

// readFiles reads the files that a flag names.
func readFiles(flag string, paths []string) ([]estate.File, error) {
	var out []estate.File
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			return nil, usagef("%s: %w", flag, err)
		}
		out = append(out, estate.File{Path: p, Data: data})
	}
	return out, nil
}

// addSCPs reads --scp.
func (f *sourceFlags) addSCPs(whole *estate.Estate) error {
	for _, s := range f.scp {
		name, paths, ok := strings.Cut(s, "=")
		if !ok || paths == "" {
			return usagef("--scp %s is not ACCOUNT=FILE", s)
		}
		id, ok := accountNamed(whole, name)
		if !ok {
			return usagef("--scp %s: there is no account %q", s, name).withHint("it is an account id, or a name given with --account NAME=ID")
		}
		files, err := readFiles("--scp", strings.Split(paths, ","))
		if err != nil {
			return err
		}
		if err := whole.AddSCP(id, files...); err != nil {
			return &exitError{code: exitUsage, err: err}
		}
	}
	return nil
}

// accountNamed finds an account by name or id.
func accountNamed(whole *estate.Estate, name string) (string, bool) {
	for id, n := range whole.Names {
		if n == name {
			return id, true
		}
	}
	return name, isAccountID(name)
}

// terraformEstate reads configuration, a plan or a state.
func (e *env) terraformEstate(f *sourceFlags, names map[string]string) (*estate.Estate, error) {
	o := tf.Options{Dir: f.terraform, Vars: f.vars, Environ: e.Environ, Region: f.region, Accounts: names, Account: f.as, Changed: f.changed}
	if id, ok := names[f.as]; ok {
		o.Account = id
	}
	if o.Account != "" && !isAccountID(o.Account) {
		return nil, usagef("--as %s is neither an account id nor a name given with --account", f.as)
	}
	if o.Region == "" {
		if o.Region = e.get("AWS_REGION"); o.Region == "" {
			o.Region = e.get("AWS_DEFAULT_REGION")
		}
	}
	if f.plan != "" && f.state != "" {
		return nil, usagef("--plan and --state are two pictures of the same things").withHint("a plan holds the state that it was made from: name the plan alone")
	}
	source := f.terraform
	var world *tf.World
	var err error
	switch {
	case f.plan != "":
		source = f.plan
		world, err = readJSON(f.plan, "--plan", o, tf.ReadPlan)
	case f.state != "":
		source = f.state
		world, err = readJSON(f.state, "--state", o, tf.ReadState)
	default:
		world, err = tf.Read(o)
	}
	if err != nil {
		if _, ok := errors.AsType[*exitError](err); ok {
			return nil, err
		}
		return nil, &exitError{code: exitUsage, err: err}
	}
	return estate.FromWorld(world, filepath.ToSlash(source)), nil
}

func readJSON(path, flag string, o tf.Options, read func([]byte, string, tf.Options) (*tf.World, error)) (*tf.World, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("%s: %w", flag, err)
	}
	return read(data, path, o)
}

// sandboxEstate reads every account of a running sandbox of this user's.
func (e *env) sandboxEstate(ctx context.Context, at string) (*estate.Estate, error) {
	if at == anySandbox {
		if at = e.get("AWS_ENDPOINT_URL"); at == "" {
			at = defaultListen
		}
	}
	address := at
	if u, err := url.Parse(at); err == nil && u.Host != "" {
		address = u.Host
	}
	place, err := e.placeOf(address)
	if err != nil {
		return nil, err
	}
	profiles, err := readProfiles(place.Profiles)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, failf(exitUnreachable, "the sandbox at %s does not answer: %w", address, err).withHint("start it with mantle sandbox up")
	}
	conn.Close()
	var parts []*estate.Estate
	for _, p := range profiles {
		if strings.HasSuffix(p.name, "-root") {
			continue // the same account once more
		}
		cfg := aws.Config{Region: p.region, BaseEndpoint: aws.String("http://" + address), Credentials: credentials.NewStaticCredentialsProvider(p.id, p.secret, "")}
		part, err := estate.FromAccount(ctx, cfg, estate.LiveOptions{Name: p.name, PathStyle: true})
		if err != nil {
			return nil, failf(exitUnreachable, "read account %s of the sandbox at %s: %w", p.name, address, err)
		}
		parts = append(parts, part)
	}
	whole, err := estate.Merge(parts...)
	if err != nil {
		return nil, err
	}
	whole.Source = []string{"sandbox http://" + address}
	return whole, nil
}

// profile is an account of a sandbox as `sandbox env` finds it.
type profile struct{ name, id, secret, region string }

// String hides the secret.
func (p profile) String() string { return "profile " + p.name }

// GoString hides the secret.
func (p profile) GoString() string { return p.String() }

// readProfiles reads the profile file of a sandbox.
func readProfiles(path string) ([]profile, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []profile
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if n, ok := strings.CutPrefix(line, "[profile "); ok {
			out = append(out, profile{name: strings.TrimSuffix(n, "]")})
		}
		if len(out) == 0 {
			continue
		}
		p := &out[len(out)-1]
		key, value, _ := strings.Cut(line, " = ")
		switch key {
		case "aws_access_key_id":
			p.id = value
		case "aws_secret_access_key":
			p.secret = value
		case "region":
			p.region = value
		}
	}
	return out, nil
}

// liveEstate reads an account of AWS.
func (e *env) liveEstate(ctx context.Context, name, region string) (*estate.Estate, error) {
	o := estate.LiveOptions{Progress: func(format string, args ...any) { e.talkf("mantle: "+format+"\n", args...) }}
	if name == "default" {
		name = ""
	}
	o.Name = name
	cfg, err := e.baseConfig(ctx, name, region)
	if err != nil {
		return nil, err
	}
	part, err := estate.FromAccount(ctx, cfg, o)
	if err != nil {
		return nil, failf(exitUnreachable, "%w", err).withHint("the credentials need iam:GetAccountAuthorizationDetails; see mantle whoami")
	}
	part.Source = []string{"AWS"}
	if name != "" {
		part.Source = []string{"AWS, profile " + name}
	}
	return part, nil
}
