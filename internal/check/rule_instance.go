package check

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"

	"github.com/mantle-iam/mantle/internal/tf"
)

// machines calls f for instances and launch templates.
func (in *Input) machines(f func(x *index, r *tf.Resource)) {
	for _, w := range in.facts.worlds {
		x := in.facts.index[w]
		for _, kind := range []string{"aws_instance", "aws_launch_template", "aws_launch_configuration"} {
			for _, r := range x.types[kind] {
				f(x, r)
			}
		}
	}
}

// profilePath is the attribute that names the instance profile.
func profilePath(r *tf.Resource) string {
	if r.Type == "aws_launch_template" {
		return "iam_instance_profile.name"
	}
	return "iam_instance_profile"
}

func roleAsProfile(in *Input, add func(Finding)) {
	in.machines(func(x *index, r *tf.Resource) {
		path := profilePath(r)
		name, known := str(r.Values, path)
		referred := ""
		for _, a := range references(r, strings.Split(path, ".")[0]) {
			if strings.HasPrefix(plain(a), "aws_iam_role.") {
				referred = a
			}
		}
		if referred == "" && (!known || name == "" || x.named("aws_iam_instance_profile", "name", name) != nil || x.named("aws_iam_role", "name", name) == nil) {
			return
		}
		if name == "" {
			name = referred
		} else if x.named("aws_iam_instance_profile", "name", name) != nil {
			return // one of the same name, as the console makes it
		}
		f := Finding{Where: place(r, path), Address: r.Address, Message: fmt.Sprintf("%q is a role, not an instance profile", name)}
		for _, p := range x.types["aws_iam_instance_profile"] {
			role, _ := str(p.Values, "role")
			profile, _ := str(p.Values, "name")
			if role != "" && role == name && profile != "" {
				f.Message += fmt.Sprintf("; did you mean profile %q?", profile)
				f.Cure = "write " + plain(p.Address) + ".name"
			}
		}
		if f.Cure == "" {
			f.Cure = fmt.Sprintf("add resource \"aws_iam_instance_profile\" \"this\" { name = %q  role = %q } and name that", name, name)
		}
		add(f)
	})
}

func emptyProfile(in *Input, add func(Finding)) {
	for _, w := range in.facts.worlds {
		for _, r := range in.facts.index[w].types["aws_iam_instance_profile"] {
			if name, known := str(r.Values, "role"); known && name == "" && unset(r.Values, "role") && len(texts(r.Values, "roles")) == 0 {
				n, _ := str(r.Values, "name")
				add(Finding{Where: head(r), Address: r.Address, Message: fmt.Sprintf("instance profile %q has no role: a launch with it gets no credentials", n), Cure: "set role = aws_iam_role.NAME.name"})
			}
		}
	}
}

func differentNames(in *Input, add func(Finding)) {
	for _, w := range in.facts.worlds {
		for _, r := range in.facts.index[w].types["aws_iam_instance_profile"] {
			name, _ := str(r.Values, "name")
			role, _ := str(r.Values, "role")
			if name != "" && role != "" && name != role {
				add(Finding{Where: head(r), Address: r.Address, Message: fmt.Sprintf("profile %q ≠ role %q (fine; launch and console use the profile name)", name, role), Cure: "nothing, or give both one name"})
			}
		}
	}
	if len(in.facts.worlds) > 0 {
		return
	}
	for _, r := range in.facts.roles {
		for _, p := range r.profiles {
			if p.Name != r.Name {
				add(r.found(fmt.Sprintf("profile %q ≠ role %q (fine; launch and console use the profile name)", p.Name, r.Name), "nothing, or give both one name"))
			}
		}
	}
}

// userData is the script of a machine; known is false if only an apply tells.
func userData(r *tf.Resource) (script string, at string, known bool) {
	for _, path := range []string{"user_data", "user_data_base64"} {
		s, ok := str(r.Values, path)
		if !ok {
			return "", path, false
		}
		if s == "" {
			continue
		}
		if path == "user_data_base64" || r.Type == "aws_launch_template" {
			if plain, err := base64.StdEncoding.DecodeString(s); err == nil {
				s = string(plain)
			}
		}
		return s, path, true
	}
	return "", "user_data", true
}

// script is the user data, or the text that stands in the file where part of
// it is computed: enough to look for words.
func (in *Input) script(r *tf.Resource, w *tf.World) (text string, at tf.Range) {
	s, path, known := userData(r)
	at = place(r, path)
	if known {
		return s, at
	}
	src := source{files: w.Files}
	return src.piece(r.Attributes[path]), at
}

// containerHost reports whether a machine runs containers.
func containerHost(script string) bool {
	return strings.Contains(script, "ECS_CLUSTER") || strings.Contains(script, "docker run") || strings.Contains(script, "docker compose") || strings.Contains(script, "docker-compose")
}

// needNoInstance reports whether the configuration's tasks, of which there are
// some, all do without the instance's metadata or reach it in one hop: they have
// a role of their own, or are not in bridge mode.
func (x *index) needNoInstance() bool {
	tasks := x.types["aws_ecs_task_definition"]
	for _, r := range tasks {
		mode, known := str(r.Values, "network_mode")
		role, decided := str(r.Values, "task_role_arn")
		if known && mode != "" && mode != "bridge" || !decided || role != "" {
			continue
		}
		return false
	}
	return len(tasks) > 0
}

func hopLimit(in *Input, add func(Finding)) {
	in.machines(func(x *index, r *tf.Resource) {
		script, _ := in.script(r, x.world)
		if !containerHost(script) || strings.Contains(script, "AWS_CONTAINER_CREDENTIALS_") {
			return
		}
		tokens, _ := str(r.Values, "metadata_options.http_tokens")
		limit, known := str(r.Values, "metadata_options.http_put_response_hop_limit")
		if tokens != "required" || !known || limit != "1" {
			return
		}
		if strings.Contains(script, "ECS_CLUSTER") && !strings.Contains(script, "docker ") && x.needNoInstance() {
			return
		}
		add(Finding{Where: place(r, "metadata_options.http_put_response_hop_limit"), Address: r.Address,
			Message: "containers in bridge mode get no session token: the answer to their PUT may travel one hop only, and they wait until it times out",
			Cure:    "give containers roles of their own (task roles, or mantle agent), or set http_put_response_hop_limit = 2"})
	})
}

var curlIMDS = regexp.MustCompile(`(curl|wget)[^\n|;]*169\.254\.169\.254/latest/(meta-data|dynamic|user-data)[^\n|;)]*`)

func scriptWithoutToken(in *Input, add func(Finding)) {
	in.machines(func(x *index, r *tf.Resource) {
		tokens, _ := str(r.Values, "metadata_options.http_tokens")
		if tokens != "required" {
			return
		}
		script, at := in.script(r, x.world)
		for _, m := range curlIMDS.FindAllString(script, -1) {
			if strings.Contains(strings.ToLower(m), "x-aws-ec2-metadata-token") {
				continue
			}
			add(Finding{Where: at, Address: r.Address,
				Message: fmt.Sprintf("the script reads the metadata service without a session token, which answers 401 Unauthorized here: %s", strings.TrimSpace(m)),
				Cure:    `TOKEN=$(curl -sX PUT http://169.254.169.254/latest/api/token -H "X-aws-ec2-metadata-token-ttl-seconds: 300"), then add -H "X-aws-ec2-metadata-token: $TOKEN"`})
			return
		}
	})
}

func tokensOptional(in *Input, add func(Finding)) {
	in.machines(func(x *index, r *tf.Resource) {
		tokens, known := str(r.Values, "metadata_options.http_tokens")
		endpoint, _ := str(r.Values, "metadata_options.http_endpoint")
		f := Finding{Where: place(r, "metadata_options.http_tokens"), Address: r.Address, Cure: `set metadata_options { http_tokens = "required" }`}
		switch {
		case !known || endpoint == "disabled" || tokens == "required":
			return
		case tokens == "":
			if name, ok := str(r.Values, profilePath(r)); ok && name == "" && len(references(r, strings.Split(profilePath(r), ".")[0])) == 0 {
				return // nothing to steal
			}
			f.Severity = Info
			f.Message = "whether IMDSv1 is allowed depends on the AMI and on the account"
		default:
			f.Message = "IMDSv1 is allowed: one request that a program is tricked into sending is enough to read the role's keys"
		}
		add(f)
	})
}

func containersReachMetadata(in *Input, add func(Finding)) {
	in.machines(func(x *index, r *tf.Resource) {
		script, _ := in.script(r, x.world)
		if !strings.Contains(script, "ECS_CLUSTER") {
			return
		}
		limit, _ := str(r.Values, "metadata_options.http_put_response_hop_limit")
		endpoint, _ := str(r.Values, "metadata_options.http_endpoint")
		tokens, _ := str(r.Values, "metadata_options.http_tokens")
		blocked := strings.Contains(script, "DOCKER-USER") || strings.Contains(script, "ECS_AWSVPC_BLOCK_IMDS=true")
		if endpoint == "disabled" || blocked || (tokens == "required" && (limit == "1" || limit == "")) || (limit == "" && tokens == "") {
			return
		}
		isolated := false
		for _, t := range in.facts.tasks {
			if t.world == x.world && t.taskRole == "" && !t.openRole && t.network == "host" {
				isolated = true // a task that is meant to wear the instance's role
			}
		}
		if isolated {
			return
		}
		add(Finding{Where: place(r, "metadata_options.http_put_response_hop_limit"), Address: r.Address,
			Message: "every container reaches the instance's metadata service and with it the instance role",
			Cure:    "set http_put_response_hop_limit = 1, or ECS_AWSVPC_BLOCK_IMDS=true for awsvpc and an iptables rule in DOCKER-USER for bridge"})
	})
}
