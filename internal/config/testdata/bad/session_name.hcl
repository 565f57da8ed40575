# want: 14:18: session_name "PowerUser/hjacobs" has '/', which STS does not take
# hint: it has letters, digits and _+=,.@-
# want: 19:18: session_name has the unknown placeholder {worklod}
# hint: did you mean {workload}? placeholders are {cluster}, {compose_project}, {container}, {exe}, {family}, {host}, {image}, {instance_id}, {namespace}, {pod}, {pod_uid}, {service}, {service_account}, {task}, {uid}, {unit}, {workload}
# want: 24:18: session_name has the unknown placeholder {pid}
# hint: did you mean {pod}? placeholders are {cluster}, {compose_project}, {container}, {exe}, {family}, {host}, {image}, {instance_id}, {namespace}, {pod}, {pod_uid}, {service}, {service_account}, {task}, {uid}, {unit}, {workload}
# want: 29:18: session_name: "web-{host" holds a '{' without a '}' after it
# hint: placeholders are {cluster}, {compose_project}, {container}, {exe}, {family}, {host}, {image}, {instance_id}, {namespace}, {pod}, {pod_uid}, {service}, {service_account}, {task}, {uid}, {unit}, {workload}
# want: 34:18: session_name has 1 characters without its placeholders; STS takes 2 to 64
# want: 39:21: source_identity has 70 characters without its placeholders; STS takes 2 to 64

role "slash" {
  arn          = "arn:aws:iam::111122223333:role/a"
  session_name = "PowerUser/hjacobs"
}

role "placeholder" {
  arn          = "arn:aws:iam::111122223333:role/a"
  session_name = "{worklod}@{host}"
}

role "pid" {
  arn          = "arn:aws:iam::111122223333:role/a"
  session_name = "web-{pid}"
}

role "brace" {
  arn          = "arn:aws:iam::111122223333:role/a"
  session_name = "web-{host"
}

role "short" {
  arn          = "arn:aws:iam::111122223333:role/a"
  session_name = "x"
}

role "long" {
  arn             = "arn:aws:iam::111122223333:role/a"
  source_identity = "0123456789012345678901234567890123456789012345678901234567890123456789"
}
