package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/internal/config"
	"github.com/mantle-iam/mantle/sandbox"
)

const defaultListen = "127.0.0.1:4566"

func sandboxCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "sandbox",
		Short: "An AWS in one process, with IAM always enforced",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(sandboxUpCommand(e), sandboxEnvCommand(e), sandboxLogCommand(e), sandboxServicesCommand(e), sandboxSnapshotCommand(e), sandboxRestoreCommand(e), sandboxClockCommand(e), sandboxIdentityCommand(e))
	c.AddCommand(sandboxExecCommand(e), runTaskCommand(e), placeCommand(e))
	return c
}

type sandboxFlags struct {
	listen, state, region string
	proxy                 string
	accounts, load        []string
	faults                []string
	propagation           time.Duration
	remote                bool
}

func sandboxUpCommand(e *env) *cobra.Command {
	var f sandboxFlags
	c := &cobra.Command{
		Use:   "up",
		Short: "Start a sandbox",
		Long: `Up starts an AWS on one address: STS, IAM, S3, DynamoDB, EC2, Auto Scaling, ECS
and ECR, for as many accounts as you name, each with a root key and an administrator. Every call is authenticated
and authorised; neither can be switched off, and what the sandbox does not
implement it refuses by name.

With --state everything survives a crash. Sandboxes that are given the same
PostgreSQL database are one AWS behind several addresses. --load brings in the IAM of a real
account, as aws iam get-account-authorization-details prints it.

ECR is a registry for docker on the same address: docker login 127.0.0.1:4566
with user AWS and the password of aws ecr get-login-password, and put the
address and a slash before a repositoryUri.`,
		Example: `  mantle sandbox up
  mantle sandbox up --account dev=111122223333 --account shared=444455556666
  mantle sandbox up --account dev=111122223333 --load dev=iam.json --state ./state
  eval "$(mantle sandbox env dev)"      # then, in another terminal`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			accounts, err := f.read()
			if err != nil {
				return err
			}
			faults, err := readFaults(f.faults)
			if err != nil {
				return err
			}
			w, err := e.openWorld(c.Context(), worldOptions{listen: f.listen, state: f.state, accounts: accounts, region: f.region, faults: faults, proxy: f.proxy, propagation: f.propagation})
			if err != nil {
				return err
			}
			defer w.close()
			if err := e.sandboxBanner(w); err != nil {
				return err
			}
			select {
			case <-c.Context().Done():
				return nil
			case err := <-w.failed:
				return &exitError{code: exitUnreachable, err: err}
			}
		},
	}
	c.Flags().StringVar(&f.listen, "listen", defaultListen, "HOST:PORT to listen on; port 0 takes a free one")
	c.Flags().StringVar(&f.proxy, "proxy", "", "HOST:PORT of an HTTPS proxy that stands in for AWS's own hosts (see sandbox env --proxy)")
	c.Flags().StringVar(&f.state, "state", "", "folder that keeps everything, or postgres://… address of a database that several sandboxes share; without it the state is in memory")
	c.Flags().StringVar(&f.region, "region", "us-east-1", "region of the exported profiles")
	c.Flags().StringArrayVar(&f.accounts, "account", nil, "NAME=ID of an account, repeatable (default dev=111122223333)")
	c.Flags().StringArrayVar(&f.load, "load", nil, "FILE, or NAME=FILE, with the output of aws iam get-account-authorization-details, repeatable")
	c.Flags().DurationVar(&f.propagation, "propagation", 0, "how long changes of IAM take to count, as on AWS (try 8s)")
	c.Flags().StringArrayVar(&f.faults, "fault", nil, "SERVICE=throttle:SHARE,error:SHARE makes that share of a service's calls fail (SERVICE may be *), repeatable")
	c.Flags().BoolVar(&f.remote, "allow-remote", false, "listen on an address that other machines can reach")
	return c
}

// read checks the flags and reads the files that they name.
func (f *sandboxFlags) read() ([]*config.Account, error) {
	if !f.remote && !isLoopback(f.listen) {
		return nil, usagef("--listen %s can be reached from other machines", f.listen).withHint("use 127.0.0.1, or say --allow-remote")
	}
	if f.proxy != "" && !f.remote && !isLoopback(f.proxy) {
		return nil, usagef("--proxy %s can be reached from other machines", f.proxy).withHint("use 127.0.0.1:4567, or say --allow-remote")
	}
	names := f.accounts
	if len(names) == 0 {
		names = []string{"dev=111122223333"}
	}
	var accounts []*config.Account
	seen := map[string]bool{}
	for _, a := range names {
		name, id, ok := strings.Cut(a, "=")
		if !ok || name == "" || !isAccountID(id) {
			return nil, usagef("--account %s is not NAME=ID", a).withHint("for example --account dev=111122223333; an account id has 12 digits")
		}
		if !isProfileName(name) {
			return nil, usagef("--account %s: a name consists of letters, digits, - and _", a)
		}
		if seen[name] || seen[id] {
			return nil, usagef("--account %s is there twice", a)
		}
		seen[name], seen[id] = true, true
		accounts = append(accounts, &config.Account{Name: name, ID: id})
	}
	for _, l := range f.load {
		to := accounts[0]
		path := l
		if name, rest, ok := strings.Cut(l, "="); ok {
			for _, a := range accounts {
				if a.Name == name {
					to, path = a, rest
				}
			}
			if path == l {
				if _, err := os.Stat(l); err != nil {
					return nil, usagef("--load %s: there is no account %q", l, name)
				}
			}
		} else if len(accounts) > 1 {
			return nil, usagef("--load %s does not say into which account", l).withHint("write --load NAME=" + l)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, usagef("--load: %w", err)
		}
		to.Load = append(to.Load, config.File{Path: path, Data: data})
	}
	return accounts, nil
}

// readFaults reads --fault.
func readFaults(list []string) ([]sandbox.Fault, error) {
	var out []sandbox.Fault
	for _, text := range list {
		name, shares, ok := strings.Cut(text, "=")
		x := sandbox.Fault{Service: name}
		for part := range strings.SplitSeq(shares, ",") {
			kind, share, _ := strings.Cut(part, ":")
			n, err := strconv.ParseFloat(share, 64)
			if err != nil || n < 0 || n > 1 {
				ok = false
			}
			switch kind {
			case "throttle":
				x.Throttle = n
			case "error":
				x.Error = n
			default:
				ok = false
			}
		}
		if !ok || name == "" {
			return nil, usagef("--fault %s is not SERVICE=throttle:SHARE,error:SHARE", text).withHint("for example --fault sts=throttle:0.2; a share is from 0 to 1")
		}
		out = append(out, x)
	}
	return out, nil
}

func isAccountID(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

func isProfileName(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

func (e *env) sandboxBanner(w *world) error {
	if e.Output == "json" {
		type account struct {
			Name string `json:"name"`
			ID   string `json:"id"`
		}
		var list []account
		for _, a := range w.accounts {
			list = append(list, account{a.Name, a.ID})
		}
		ready := map[string]any{
			"schema": schema, "event": "ready", "url": w.url, "enforcement": "on", "state": w.state, "accounts": list,
		}
		if w.proxy != nil {
			ready["proxy"] = w.proxy.url
		}
		e.printf("%s\n", oneLine(ready))
		return nil
	}
	e.printf("mantle sandbox  %s   IAM enforcement: ON   propagation: %s   state: %s\n", w.url, w.propagation, w.state)
	t := tabwriter.NewWriter(e.Stdout, 0, 4, 3, ' ', 0)
	for _, a := range w.accounts {
		fmt.Fprintf(t, "account %s\t%s\teval \"$(mantle sandbox env %s%s)\"\n", a.Name, a.ID, a.Name, listenFlag(w.url))
	}
	if w.proxy != nil {
		fmt.Fprintf(t, "proxy\t%s\teval \"$(mantle sandbox env %s --proxy%s)\"\n", w.proxy.url, w.accounts[0].Name, listenFlag(w.url))
	}
	return t.Flush()
}

func listenFlag(url string) string {
	if address := strings.TrimPrefix(url, "http://"); address != defaultListen {
		return " --listen " + address
	}
	return ""
}

func sandboxEnvCommand(e *env) *cobra.Command {
	var listen, format string
	var viaProxy bool
	c := &cobra.Command{
		Use:   "env NAME",
		Short: "Print what points a shell at a running sandbox, as an account's administrator",
		Long: `Env prints the variables that lead every AWS client of a shell to the sandbox:
its endpoint, a region, and a profile whose keys lie in a file that only you
can read, below XDG_RUNTIME_DIR. Nothing is written into your home folder, and
no key into the environment. NAME-root is the account's root user.

With --proxy it prints no endpoint but the sandbox's HTTPS proxy and the
certificate to trust, for programs that insist on AWS's own host names. The
proxy leads to the sandbox and nowhere else: it refuses every host that is not
AWS's, and what has to reach such a host names it in NO_PROXY. A Java program
takes its proxy and its trust store from flags of its own.`,
		Example: `  eval "$(mantle sandbox env dev)"
  eval "$(mantle sandbox env dev --proxy)"
  mantle sandbox env dev --format fish | source
  mantle sandbox env dev-root --output json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			x, err := e.exportsOf(listen, args[0])
			if err != nil {
				return err
			}
			if viaProxy {
				if err := e.throughProxy(x, listen); err != nil {
					return err
				}
			}
			if e.Output == "json" || format == "json" {
				e.Output = "json"
				return e.answer(x, nil)
			}
			var b strings.Builder
			if err := writeShell(&b, format, x.Set, x.Unset); err != nil {
				return err
			}
			_, err = io.WriteString(e.Stdout, b.String())
			return err
		},
	}
	c.Flags().StringVar(&listen, "listen", defaultListen, "address of the sandbox")
	c.Flags().BoolVar(&viaProxy, "proxy", false, "go through the sandbox's HTTPS proxy (sandbox up --proxy) instead of its endpoint")
	c.Flags().StringVar(&format, "format", "sh", "sh, fish, pwsh, dotenv or json")
	return c
}
