package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// runtimeDir is the folder of this user's running mantles: readable by the
// user alone, and never below the home folder.
func (e *env) runtimeDir() (string, error) {
	dir := e.get("XDG_RUNTIME_DIR")
	if dir != "" {
		dir = filepath.Join(dir, "mantle")
	} else {
		dir = filepath.Join(os.TempDir(), "mantle-"+strconv.Itoa(os.Getuid()))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make runtime folder: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ownedByMe(info) {
		return "", failf(exitUsage, "the runtime folder %s is open to others", dir).withHint("remove it, or set XDG_RUNTIME_DIR to a folder of your own")
	}
	return dir, nil
}

func profileFile(dir, address string) string {
	name := strings.NewReplacer(":", "-", "[", "", "]", "", "%", "-").Replace(address)
	return filepath.Join(dir, "sandbox-"+name+".config")
}

// place is where a running sandbox keeps what other commands of this user
// need of it.
type place struct {
	Profiles string // the profile file
	Trail    string
}

// placeOf finds the sandbox at an address.
func (e *env) placeOf(address string) (*place, error) {
	dir, err := e.runtimeDir()
	if err != nil {
		return nil, err
	}
	p := &place{Profiles: profileFile(dir, address)}
	p.Trail = strings.TrimSuffix(p.Profiles, ".config") + ".trail"
	if _, err := os.Stat(p.Profiles); errors.Is(err, fs.ErrNotExist) {
		return nil, failf(exitUnreachable, "no sandbox of yours runs at %s", address).withHint("start one with mantle sandbox up, or name its address with --listen")
	} else if err != nil {
		return nil, err
	}
	return p, nil
}

// export writes the profiles of the sandbox's accounts where `sandbox env`
// finds them. The file holds the administrators' keys and is readable by
// this user alone.
func (w *world) export(e *env, address, region string) error {
	dir, err := e.runtimeDir()
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, a := range w.accounts {
		for _, p := range []struct{ name, id, secret string }{
			{a.Name, a.Admin.ID, a.Admin.Secret},
			{a.Name + "-root", a.Root.ID, a.Root.Secret},
		} {
			fmt.Fprintf(&b, "[profile %s]\naws_access_key_id = %s\naws_secret_access_key = %s\nregion = %s\nendpoint_url = %s\n\n",
				p.name, p.id, p.secret, region, w.url)
		}
	}
	w.exports = profileFile(dir, address)
	return replaceFile(w.exports, []byte(b.String()))
}

// replaceFile writes a file that only its owner may read, whole or not at all.
func replaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// exported is what `sandbox env` prints for an account.
type exported struct {
	Schema string            `json:"schema"`
	Set    map[string]string `json:"set"`
	Unset  []string          `json:"unset"`
}

// exportsOf reads the profile file of the sandbox at an address.
func (e *env) exportsOf(address, name string) (*exported, error) {
	at, err := e.placeOf(address)
	if err != nil {
		return nil, err
	}
	file := at.Profiles
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, failf(exitUnreachable, "the sandbox at %s does not answer: %w", address, err).withHint("start it with mantle sandbox up")
	}
	conn.Close()
	var names []string
	section, region := "", ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if n, ok := strings.CutPrefix(line, "[profile "); ok {
			section = strings.TrimSuffix(n, "]")
			names = append(names, section)
		}
		if v, ok := strings.CutPrefix(line, "region = "); ok && section == name {
			region = v
		}
	}
	if region == "" {
		return nil, usagef("the sandbox at %s has no account %q", address, name).withHint("it has " + strings.Join(names, ", "))
	}
	url := "http://" + address
	return &exported{
		Schema: schema,
		Set: map[string]string{
			"AWS_ENDPOINT_URL": url, "AWS_ENDPOINT_URL_STS": url,
			"AWS_REGION": region, "AWS_DEFAULT_REGION": region,
			"AWS_CONFIG_FILE": file, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_PROFILE": name,
			"AWS_EC2_METADATA_DISABLED": "true",
		},
		Unset: []string{
			"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION",
			"AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
			"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
			"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
		},
	}, nil
}
