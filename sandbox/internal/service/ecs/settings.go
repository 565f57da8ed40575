package ecs

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Account settings: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html

// A settingRule is an account setting: its value where nobody set one, and
// those it can have.
type settingRule struct {
	name, preset string
	values       []string
}

func settingRules() []settingRule {
	onOff := []string{"enabled", "disabled"}
	return []settingRule{
		{"awsvpcTrunking", "disabled", onOff},
		{"containerInsights", "disabled", []string{"enabled", "disabled", "enhanced"}},
		{"containerInstanceLongArnFormat", "enabled", []string{"enabled"}},
		{"defaultLogDriverMode", "non-blocking", []string{"blocking", "non-blocking"}},
		{"dualStackIPv6", "disabled", onOff},
		{"fargateFIPSMode", "disabled", onOff},
		{"fargateTaskRetirementWaitPeriod", "7", []string{"0", "7", "14"}},
		{"guardDutyActivate", "off", []string{"on", "off"}},
		{"serviceLongArnFormat", "enabled", []string{"enabled"}},
		{"tagResourceAuthorization", "on", []string{"on"}},
		{"taskLongArnFormat", "enabled", []string{"enabled"}},
	}
}

func findSetting(name string) (settingRule, error) {
	rules := settingRules()
	i := slices.IndexFunc(rules, func(r settingRule) bool { return r.name == name })
	if i < 0 {
		return settingRule{}, invalidParameter("Invalid setting name: %s", name)
	}
	return rules[i], nil
}

func (c *call) settingKey(principal, name string) string {
	return c.here().key() + principal + "/" + name
}

// setting is the value in force for a principal: its own, the account's, or
// the preset. own tells that somebody set it.
func (c *call) setting(principal, name string) (value string, own bool) {
	for _, p := range []string{settingsOwner(principal), ""} {
		if v, ok := settings.Get(c.tx, c.settingKey(p, name)); ok {
			return v, true
		}
	}
	r, err := findSetting(name)
	if err != nil {
		return "", false
	}
	return r.preset, false
}

// settingsOwner is the principal that settings are kept for: for a role's
// session the role.
func settingsOwner(principal string) string {
	a, err := iam.ParseARN(principal)
	if err != nil || a.Service != "sts" {
		return principal
	}
	if rest, ok := strings.CutPrefix(a.Resource, "assumed-role/"); ok {
		role, _, _ := strings.Cut(rest, "/")
		a.Service, a.Resource = "iam", "role/"+role
		return a.String()
	}
	return principal
}

// onSetting checks an account setting; it has no ARN.
func onSetting[In any](name func(*In) types.SettingName) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		return c.one(c.here(), "*", kv("ecs:account-setting", string(name(in)))), nil
	}
}

// settingsFor is the principal that a call is about: the one named, or the
// caller.
func (c *call) settingsFor(p *string) (string, error) {
	s := aws.ToString(p)
	if s == "" {
		return settingsOwner(c.req.Caller.ARN), nil
	}
	a, err := iam.ParseARN(s)
	if err != nil || a.Service != "iam" {
		return "", invalidParameter("Invalid principal ARN: %s", s)
	}
	if a.Account != c.account() {
		return "", accessDenied("The principal %s is not in your account.", s)
	}
	return s, nil
}

func settingView(name, value, principal string) types.Setting {
	v := types.Setting{Name: types.SettingName(name), Value: &value, PrincipalArn: &principal, Type: types.SettingTypeUser}
	if name == "guardDutyActivate" {
		v.Type = types.SettingTypeAwsManaged
	}
	return v
}

// put stores a setting; the principal "" is the account's default.
func (c *call) put(principal, name string, value *string) error {
	r, err := findSetting(name)
	if err != nil {
		return err
	}
	if !slices.Contains(r.values, aws.ToString(value)) {
		return invalidParameter("Invalid value for setting %s: %q. Valid values are %s.", name, aws.ToString(value), strings.Join(r.values, ", "))
	}
	settings.Put(c.tx, c.settingKey(principal, name), *value)
	return nil
}

func (c *call) rootARN() string {
	return iam.ARN{Partition: c.opt.Partition, Service: "iam", Account: c.account(), Resource: "root"}.String()
}

func (c *call) putAccountSetting(in *api.PutAccountSettingInput) (*api.PutAccountSettingOutput, error) {
	who, err := c.settingsFor(in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	// What the root user sets holds for everyone without a setting of their
	// own.
	key := who
	if who == c.rootARN() {
		key = ""
	}
	if err := c.put(key, string(in.Name), in.Value); err != nil {
		return nil, err
	}
	return &api.PutAccountSettingOutput{Setting: new(settingView(string(in.Name), *in.Value, who))}, nil
}

func (c *call) putAccountSettingDefault(in *api.PutAccountSettingDefaultInput) (*api.PutAccountSettingDefaultOutput, error) {
	if err := c.put("", string(in.Name), in.Value); err != nil {
		return nil, err
	}
	return &api.PutAccountSettingDefaultOutput{Setting: new(settingView(string(in.Name), *in.Value, c.rootARN()))}, nil
}

func (c *call) deleteAccountSetting(in *api.DeleteAccountSettingInput) (*api.DeleteAccountSettingOutput, error) {
	who, err := c.settingsFor(in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	name := string(in.Name)
	if _, err := findSetting(name); err != nil {
		return nil, err
	}
	key := who
	if who == c.rootARN() {
		key = ""
	}
	settings.Delete(c.tx, c.settingKey(key, name))
	value, _ := c.setting(who, name)
	return &api.DeleteAccountSettingOutput{Setting: new(settingView(name, value, who))}, nil
}

func (c *call) listAccountSettings(in *api.ListAccountSettingsInput) (*api.ListAccountSettingsOutput, error) {
	who, err := c.settingsFor(in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	if in.Name != "" {
		if _, err := findSetting(string(in.Name)); err != nil {
			return nil, err
		}
	}
	out := &api.ListAccountSettingsOutput{Settings: []types.Setting{}}
	for _, r := range settingRules() {
		value, own := settings.Get(c.tx, c.settingKey(who, r.name))
		if in.EffectiveSettings || !own && who == c.rootARN() {
			effective, set := c.setting(who, r.name)
			value, own = effective, set || in.EffectiveSettings
		}
		if !own || in.Name != "" && string(in.Name) != r.name || in.Value != nil && *in.Value != value {
			continue
		}
		out.Settings = append(out.Settings, settingView(r.name, value, who))
	}
	return out, nil
}
