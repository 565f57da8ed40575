// Package autoscaling is the part of the sandbox's EC2 Auto Scaling that
// turns a desired capacity into instances: groups over launch templates,
// their scaling activities and tags.
//
// Nothing runs in the background. A group is brought to its desired capacity
// by the call that changes it, and by any later call of this API that finds
// an instance gone. Launch configurations, mixed instances, load balancers,
// lifecycle hooks and scaling policies are refused by name.
//
// The files, in the order in which a call meets them: autoscaling.go (the
// service and its table), checks.go (permissions), groups.go (create, change,
// delete), describe.go (what answers show), scale.go (from capacity to
// instances), tags.go.
//
// Codes and texts are those of the Auto Scaling API Reference,
// https://docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html.
package autoscaling
