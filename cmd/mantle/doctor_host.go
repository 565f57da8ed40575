package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/mantle-iam/mantle/internal/config"
	"github.com/mantle-iam/mantle/internal/doctor"
	"github.com/mantle-iam/mantle/internal/redirect"
)

// doctorHost looks over this host: the agent with its doors and its rules,
// mantle's own credentials, the clock, instance metadata, and the ECS agent.
func (e *env) doctorHost(ctx context.Context) error {
	cfg, err := e.optionalConfig("")
	if err != nil {
		return e.configProblems(err)
	}
	looked := e.host(ctx, cfg).Examine(ctx)
	worst, unknown := doctor.OK, false
	for _, l := range looked {
		worst = max(worst, doctor.Worst(l.Checks))
		unknown = unknown || l.Unknown != ""
	}
	out := struct {
		Schema string          `json:"schema"`
		Worst  doctor.Severity `json:"worst"`
		Looked []doctor.Looked `json:"looked"`
	}{schema, worst, looked}
	if err := e.answer(out, func(w io.Writer) { writeLooked(w, looked) }); err != nil {
		return err
	}
	switch {
	case worst >= doctor.Warning:
		return &exitError{code: exitDenied}
	case unknown:
		return &exitError{code: exitUnknown}
	}
	return nil
}

func writeLooked(w io.Writer, looked []doctor.Looked) {
	for _, l := range looked {
		switch {
		case l.Skipped != "":
			fmt.Fprintf(w, "-        %s: %s\n", l.At, l.Skipped)
		case l.Unknown != "":
			fmt.Fprintf(w, "unknown  %s: %s\n", l.At, l.Unknown)
		case len(l.Checks) == 0:
			fmt.Fprintf(w, "ok       %s\n", l.At)
		}
		for _, c := range l.Checks {
			fmt.Fprintf(w, "%-8s %s %s: %s\n", c.Severity, c.ID, l.At, c.What)
			if c.Cure != "" {
				fmt.Fprintf(w, "         cure: %s\n", c.Cure)
			}
		}
	}
}

// host is how this host is asked. cfg may be nil.
func (e *env) host(ctx context.Context, cfg *config.Config) doctor.Host {
	h := doctor.Host{
		Environ: doctor.Variables(strings.Join(e.Environ, "\x00")),
		Reach:   doctor.Reach,
		Agent:   e.agentStanding,
		Table: func() (string, error) {
			s, err := redirect.Current()
			return string(s), err
		},
	}
	if text, err := os.ReadFile("/proc/1/environ"); err == nil {
		h.First = doctor.Variables(string(text))
	}
	if text, err := os.ReadFile("/etc/ecs/ecs.config"); err == nil {
		h.ECS = doctor.Variables(string(text))
	}
	var base config.Base
	if cfg != nil {
		base = cfg.Base
	}
	own, err := e.baseFrom(ctx, base, 0)
	h.Base = func(ctx context.Context) error {
		if err != nil {
			return err
		}
		if own.Credentials == nil {
			return errors.New("none are configured")
		}
		_, err := own.Credentials.Retrieve(ctx)
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}}
	if err == nil {
		h.Skew = func(ctx context.Context) (time.Duration, error) {
			return doctor.AskClock(ctx, client, stsEndpoint(own), time.Now)
		}
	}
	h.Metadata = func(ctx context.Context) (doctor.Metadata, error) {
		at := e.get("AWS_EC2_METADATA_SERVICE_ENDPOINT")
		if strings.EqualFold(e.get("AWS_EC2_METADATA_DISABLED"), "true") {
			return doctor.Metadata{}, &doctor.Skipped{Why: "AWS_EC2_METADATA_DISABLED is true"}
		}
		if at == "" {
			at = "http://169.254.169.254"
		}
		direct := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // SDKs ask no proxy either
		return doctor.AskMetadata(ctx, direct, at)
	}
	return h
}

// stsEndpoint is where STS answers for a configuration.
func stsEndpoint(cfg aws.Config) string {
	if cfg.BaseEndpoint != nil {
		return *cfg.BaseEndpoint
	}
	suffix := "amazonaws.com"
	if strings.HasPrefix(cfg.Region, "cn-") {
		suffix = "amazonaws.com.cn"
	}
	return "https://sts." + cfg.Region + "." + suffix
}

// agentStanding asks the running agent how it does.
func (e *env) agentStanding(ctx context.Context) (doctor.Agent, error) {
	var s statusAnswer
	if err := e.askControl(ctx, pathStatus, &s); err != nil {
		if x, ok := errors.AsType[*exitError](err); ok && x.code == exitUnreachable {
			return doctor.Agent{}, doctor.ErrNoAgent()
		}
		return doctor.Agent{}, err
	}
	out := doctor.Agent{Ready: s.Ready, Interception: s.Interception, NotWell: map[string]string{}}
	for _, d := range s.Doors {
		out.Doors = append(out.Doors, doctor.Door{Name: d.Name, Address: d.Address})
	}
	for _, c := range s.Checks {
		if !c.OK {
			out.NotWell[c.Name] = c.Detail
		}
	}
	for _, f := range s.Failing {
		out.Failing = append(out.Failing, f.SessionName+": "+f.Error)
	}
	if s.Audit != nil {
		out.LostLines = s.Audit.Lost
	}
	return out, nil
}
