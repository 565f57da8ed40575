package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FileName is the name that [Load] looks for in a directory; the JSON form of
// the same file is called FileName + ".json".
const FileName = "mantle.hcl"

// Config is one configuration file, read, checked and with every relative
// path joined to the directory of the file. It is never changed after [Load].
type Config struct {
	Path      string      // the file, as it was given
	Base      Base        // whose credentials mantle itself starts from
	Agent     Agent       // how the agent serves
	Sandbox   *Sandbox    // nil without a sandbox block
	Roles     []*Role     // in the order of the file
	Workloads []*Workload // in the order of the file

	src   Source
	files map[string][]byte // what was read, to show lines of it in errors
}

// Role returns the role block called name, or nil.
func (c *Config) Role(name string) *Role {
	for _, r := range c.Roles {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// Workload returns the workload block called name, or nil.
func (c *Config) Workload(name string) *Workload {
	for _, w := range c.Workloads {
		if w.Name == name {
			return w
		}
	}
	return nil
}

// Files are the files that were read for the configuration, itself first.
func (c *Config) Files() []string {
	names := slices.Sorted(maps.Keys(c.files))
	names = slices.DeleteFunc(names, func(n string) bool { return n == c.Path })
	return append([]string{c.Path}, names...)
}

// Where remembers the places of a block and of the arguments set in it, for
// errors that only show later than the file is read.
type Where struct {
	Position Position            // the block's first character
	args     map[string]Position // argument name to the place of its value
}

// At returns the place where an argument's value stands, or the block's own
// place if the file leaves that argument out.
func (w Where) At(argument string) Position {
	if p, ok := w.args[argument]; ok {
		return p
	}
	return w.Position
}

// Has reports whether the file sets the argument.
func (w Where) Has(argument string) bool {
	_, ok := w.args[argument]
	return ok
}

// Base says whose credentials mantle starts from. The zero value is the
// default credential chain of the AWS SDK.
type Base struct {
	Where   Where  `json:"-"`
	Profile string `json:",omitempty"` // a profile of the shared AWS files
	Region  string `json:",omitempty"` // where STS is called, and every role's default region

	Source    string   `json:",omitempty"` // BaseAuto and its like; "" = see From
	RoleARN   string   `json:",omitempty"` // of BaseWebIdentity
	TokenFile string   `json:",omitempty"` // of BaseWebIdentity
	Command   []string `json:",omitempty"` // of BaseProcess
	Endpoint  string   `json:",omitempty"` // URL of STS; "" = the region's
	FIPS      bool     `json:",omitempty"` // STS at its FIPS endpoint
	DualStack bool     `json:",omitempty"` // STS at its endpoint for IPv4 and IPv6
	CABundle  string   `json:",omitempty"` // PEM file
}

// Agent says where the agent listens. Addresses are HOST:PORT; port 0 takes
// any free port.
type Agent struct {
	Where       Where  `json:"-"`
	Listen      string // the container credentials endpoint
	Metadata    string `json:",omitempty"` // the instance metadata endpoint; "" = none for the whole host
	AllowRemote bool   `json:",omitempty"` // Listen and Metadata may be reached from other machines

	PodIdentity  string       `json:",omitempty"` // the EKS Pod Identity endpoint; "" = none
	Socket       string       `json:",omitempty"` // path of the Unix socket; "" = the default, NoSocket = none
	Interception Interception `json:",omitempty"` // how AWS's addresses lead to the agent; "" = InterceptNone
	Intercept    []string     `json:",omitempty"` // the doors that are; see Intercepts
	OnStop       OnStop       `json:",omitempty"` // what becomes of the interception; "" = StopClose
	Allow        []string     `json:",omitempty"` // paths of real instance metadata that are handed on
	HopLimit     int          `json:",omitempty"` // of metadata tokens; 0 = 1
	Tokens       string       `json:",omitempty"` // folder of the workloads' tokens; "" = none
	Cache        string       `json:",omitempty"` // file that keeps loans, sealed; "" = none
	CacheKey     string       `json:",omitempty"` // file with its key
	Metrics      string       `json:",omitempty"` // where metrics and health are told; "" = nowhere

	Kubernetes *Kubernetes `json:",omitempty"` // nil = this host is no node of a cluster

	Docker string `json:",omitempty"` // unix:// address of Docker, "" = see Engines
	Podman string `json:",omitempty"` // unix:// address of Podman, "" = see Engines
}

// Sandbox describes the AWS that mantle starts in its own process.
type Sandbox struct {
	Where       Where      `json:"-"`
	Listen      string     // HOST:PORT
	AllowRemote bool       `json:",omitempty"`
	State       string     `json:",omitempty"` // directory that keeps the state; "" = memory
	Host        string     `json:",omitempty"` // ARN of the role that mantle itself wears inside
	Accounts    []*Account // in the order of the file, at least one
}

// Account is one account of the sandbox.
type Account struct {
	Where   Where     `json:"-"`
	Name    string    // the block's label
	ID      string    // 12 digits
	Load    []File    `json:",omitempty"` // what get-account-authorization-details prints
	Buckets []*Bucket `json:",omitempty"`
}

// File is a file that the configuration names, with what it held when the
// configuration was read.
type File struct {
	Path string
	Data []byte `json:"-"`
}

// Bucket is an S3 bucket that exists when the sandbox starts.
type Bucket struct {
	Where   Where             `json:"-"`
	Name    string            // the block's label
	Region  string            // where the bucket lives
	Policy  string            `json:",omitempty"` // bucket policy, JSON
	Objects map[string]string `json:",omitempty"` // key to content
	Folder  string            `json:",omitempty"` // directory whose files become objects
}

// Role is a role that mantle may lend, and how it asks STS for it.
type Role struct {
	Where          Where             `json:"-"`
	Name           string            // the block's label
	ARN            string            // arn:PARTITION:iam::ACCOUNT:role/PATH/NAME
	Via            []Hop             `json:",omitempty"` // roles assumed before, in order
	ExternalID     string            `json:",omitempty"`
	SessionName    string            `json:",omitempty"` // may hold placeholders such as {workload}; "" = the broker's own
	SourceIdentity string            `json:",omitempty"`
	Tags           map[string]string `json:",omitempty"` // session tags
	TransitiveTags []string          `json:",omitempty"` // keys of Tags that later sessions of the chain inherit
	Policy         string            `json:",omitempty"` // session policy, JSON
	PolicyARNs     []string          `json:",omitempty"` // managed session policies
	Duration       time.Duration     `json:"-"`          // 0 = one hour, the default of STS
	Region         string            `json:",omitempty"` // what workloads get as AWS_REGION
}

// MarshalJSON writes the duration as text, as the file has it.
func (r *Role) MarshalJSON() ([]byte, error) {
	type plain Role
	out := struct {
		*plain
		Duration string `json:",omitempty"`
	}{plain: (*plain)(r)}
	if r.Duration != 0 {
		out.Duration = short(r.Duration)
	}
	return json.Marshal(out)
}

// short is a duration as people write it: 1h, not 1h0m0s.
func short(t time.Duration) string {
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Hop is one role of a chain before the role that is lent.
type Hop struct {
	Position    Position `json:"-"`
	ARN         string
	ExternalID  string `json:",omitempty"`
	SessionName string `json:",omitempty"`

	ref string // the role block it was written as, "" for an ARN
}

// Workload is a program that wears a role.
type Workload struct {
	Where    Where             `json:"-"`
	Name     string            // the block's label
	Role     string            // name of a Role
	Match    []*Match          `json:",omitempty"` // all of one kind, one is enough; none = only a listener or token of its own makes it known
	Command  []string          `json:",omitempty"` // how `mantle up` starts it
	Dir      string            `json:",omitempty"` // where it starts; "" = the configuration's directory
	Env      map[string]string `json:",omitempty"`
	Endpoint Endpoint          // which dialect hands it its credentials
	IMDSv1   bool              `json:",omitempty"` // the metadata endpoint answers without a session token too
}

// Endpoint is the way in which a workload is handed its credentials.
type Endpoint string

const (
	// EndpointContainer is the container credential provider: the workload
	// starts with AWS_CONTAINER_CREDENTIALS_FULL_URI.
	// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
	EndpointContainer Endpoint = "container"
	// EndpointMetadata is the EC2 instance metadata service, version 2.
	// https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html
	EndpointMetadata Endpoint = "metadata"
)

// Source is where a configuration comes from besides its own text. The zero
// value reads the file system and the user database, and knows no
// environment: env() then fails unless it has a default.
type Source struct {
	ReadFile    func(name string) ([]byte, error)      // nil = os.ReadFile
	IsDir       func(name string) bool                 // nil = os.Stat
	LookupEnv   func(name string) (string, bool)       // nil = env() is refused
	LookupUser  func(name string) (uid int, err error) // nil = os/user
	LookupGroup func(name string) (gid int, err error) // nil = os/user
}

// Load reads the configuration at path, which is a file or a directory that
// holds [FileName] or its JSON form. env() is refused; commands that allow it
// use [Source.Load] with a LookupEnv. An unsound file answers *[Error] with
// every problem found.
func Load(path string) (*Config, error) { return Source{}.Load(path) }

// Load is [Load] with a source of the caller's choice.
func (s Source) Load(path string) (*Config, error) {
	s = s.withDefaults()
	if s.IsDir(path) {
		dir := path
		path = filepath.Join(dir, FileName)
		src, err := s.ReadFile(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return s.parsed(path, src, err)
		}
		src, err = s.ReadFile(path + ".json")
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read configuration: no %s or %[1]s.json in %s: %w", FileName, dir, fs.ErrNotExist)
		}
		return s.parsed(path+".json", src, err)
	}
	src, err := s.ReadFile(path)
	return s.parsed(path, src, err)
}

func (s Source) parsed(path string, src []byte, err error) (*Config, error) {
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, src, s)
}

func (s Source) withDefaults() Source {
	if s.ReadFile == nil {
		s.ReadFile = os.ReadFile
	}
	if s.IsDir == nil {
		s.IsDir = func(name string) bool {
			info, err := os.Stat(name)
			return err == nil && info.IsDir()
		}
	}
	if s.LookupUser == nil {
		s.LookupUser = func(name string) (int, error) {
			u, err := user.Lookup(name)
			if err != nil {
				return 0, err
			}
			return strconv.Atoi(u.Uid)
		}
	}
	if s.LookupGroup == nil {
		s.LookupGroup = func(name string) (int, error) {
			g, err := user.LookupGroup(name)
			if err != nil {
				return 0, err
			}
			return strconv.Atoi(g.Gid)
		}
	}
	return s
}

// Parse reads a configuration from src. The name says what errors call the
// file and which directory relative paths start from; a name that ends in
// .json selects the JSON form. The error is *[Error].
func Parse(name string, src []byte, from Source) (*Config, error) {
	d := newDecoder(name, src, from.withDefaults())
	c := d.run()
	if err := d.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// isJSON reports whether the file is in HCL's JSON form.
func isJSON(name string) bool { return strings.HasSuffix(name, ".json") }
