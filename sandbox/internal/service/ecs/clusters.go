package ecs

import (
	"cmp"
	"iter"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Clusters: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/clusters.html

func (c *call) mayCreateCluster(in *api.CreateClusterInput) ([]service.Check, error) {
	k, err := c.cluster(in.ClusterName)
	if err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	keys := slices.Concat(c.clusterTags(k), requestTags(in.Tags), c.providerKeys(in.CapacityProviders))
	arn := c.clusterARN(k)
	return append(c.one(k.home, arn, keys...), c.tagging(k.home, arn, in.Tags)...), nil
}

func (c *call) createCluster(in *api.CreateClusterInput) (*api.CreateClusterOutput, error) {
	k, err := c.cluster(in.ClusterName)
	if err != nil {
		return nil, err
	}
	if err := checkStrategy(in.DefaultCapacityProviderStrategy); err != nil {
		return nil, err
	}
	row, ok := clusters.Get(c.tx, k.key())
	if !ok || *row.View.Status != active {
		row = clusterRow{View: types.Cluster{
			ClusterArn:                      new(c.clusterARN(k)),
			ClusterName:                     &k.name,
			Status:                          new(active),
			Settings:                        clusterSettings(nil, in.Settings, c.insights()),
			Configuration:                   in.Configuration,
			CapacityProviders:               orEmpty(in.CapacityProviders),
			DefaultCapacityProviderStrategy: orEmpty(in.DefaultCapacityProviderStrategy),
			ServiceConnectDefaults:          connectDefaults(in.ServiceConnectDefaults),
			Tags:                            mergeTags(nil, in.Tags),
		}}
		clusters.Put(c.tx, k.key(), row)
	}
	all := []types.ClusterField{types.ClusterFieldTags, types.ClusterFieldSettings, types.ClusterFieldConfigurations}
	return &api.CreateClusterOutput{Cluster: new(c.clusterView(k, row, all))}, nil
}

// orEmpty is a list that answers show as [] when it is empty.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// insights is what the account wants of containerInsights where a cluster
// does not say.
func (c *call) insights() string {
	v, _ := c.setting(c.req.Caller.ARN, string(types.SettingNameContainerInsights))
	return v
}

// clusterSettings changes settings; a cluster always has containerInsights.
func clusterSettings(have, set []types.ClusterSetting, insights string) []types.ClusterSetting {
	have = slices.Clone(have)
	for _, s := range set {
		if i := slices.IndexFunc(have, func(h types.ClusterSetting) bool { return h.Name == s.Name }); i >= 0 {
			have[i] = s
		} else {
			have = append(have, s)
		}
	}
	if len(have) == 0 {
		have = []types.ClusterSetting{{Name: types.ClusterSettingNameContainerInsights, Value: &insights}}
	}
	return have
}

func connectDefaults(r *types.ClusterServiceConnectDefaultsRequest) *types.ClusterServiceConnectDefaults {
	if r == nil || aws.ToString(r.Namespace) == "" {
		return nil
	}
	return &types.ClusterServiceConnectDefaults{Namespace: r.Namespace}
}

// checkStrategy checks the parts of a capacity provider strategy.
func checkStrategy(items []types.CapacityProviderStrategyItem) error {
	bases := 0
	for _, i := range items {
		if aws.ToString(i.CapacityProvider) == "" {
			return invalidParameter("The capacity provider strategy has an item without a capacity provider.")
		}
		if i.Base > 0 {
			bases++
		}
	}
	if bases > 1 {
		return invalidParameter("Only one capacity provider in a capacity provider strategy can have a base defined.")
	}
	return nil
}

// liveCluster finds a cluster for a call that needs it to be ACTIVE.
func (c *call) liveCluster(p *string) (cluster, clusterRow, error) {
	k, err := c.cluster(p)
	if err != nil {
		return k, clusterRow{}, err
	}
	row, ok := clusters.Get(c.tx, k.key())
	if !ok || *row.View.Status != active {
		return k, row, errNoCluster()
	}
	return k, row, nil
}

// counts is what goes on in a cluster, altogether and by launch type.
type counts struct {
	instances, running, services int32
	byType                       map[string]int
}

func (c *call) count(k cluster) counts {
	n := counts{byType: map[string]int{}}
	for range instances.Range(c.tx, k.members()) {
		n.instances++
	}
	for _, t := range tasks.Range(c.tx, k.members()) {
		if *t.View.LastStatus == running {
			n.running++
			n.byType["running"+launchNoun(t.View.LaunchType)+"TasksCount"]++
		}
	}
	for _, s := range services.Range(c.tx, k.members()) {
		if status := *s.View.Status; status != inactive {
			n.services++
			noun := launchNoun(s.View.LaunchType)
			if status == draining {
				n.byType["draining"+noun+"ServiceCount"]++
			} else {
				n.byType["active"+noun+"ServiceCount"]++
			}
		}
	}
	return n
}

// launchNoun is the launch type as the names of statistics have it.
func launchNoun(t types.LaunchType) string {
	switch t {
	case types.LaunchTypeFargate:
		return "Fargate"
	case types.LaunchTypeExternal:
		return "External"
	}
	return "EC2"
}

// clusterView is a cluster as answers show it.
func (c *call) clusterView(k cluster, row clusterRow, include []types.ClusterField) types.Cluster {
	v := row.View
	n := c.count(k)
	v.RegisteredContainerInstancesCount, v.RunningTasksCount, v.ActiveServicesCount = n.instances, n.running, n.services
	v.Statistics = []types.KeyValuePair{}
	if slices.Contains(include, types.ClusterFieldStatistics) {
		for _, noun := range []string{"EC2", "Fargate", "External"} {
			for _, name := range []string{"running" + noun + "TasksCount", "pending" + noun + "TasksCount", "active" + noun + "ServiceCount", "draining" + noun + "ServiceCount"} {
				v.Statistics = append(v.Statistics, types.KeyValuePair{Name: new(name), Value: new(strconv.Itoa(n.byType[name]))})
			}
		}
	}
	if !slices.Contains(include, types.ClusterFieldTags) {
		v.Tags = []types.Tag{}
	}
	if !slices.Contains(include, types.ClusterFieldSettings) {
		v.Settings = []types.ClusterSetting{}
	}
	if !slices.Contains(include, types.ClusterFieldConfigurations) {
		v.Configuration = nil
	}
	return v
}

// onClusters checks each cluster that is named, or the default one.
func onClusters(c *call, in *api.DescribeClustersInput) ([]service.Check, error) {
	var checks []service.Check
	for _, name := range namedClusters(in) {
		k, err := c.cluster(&name)
		if err != nil {
			return nil, err
		}
		checks = append(checks, c.one(k.home, c.clusterARN(k), c.clusterTags(k)...)...)
	}
	return checks, nil
}

func namedClusters(in *api.DescribeClustersInput) []string {
	if len(in.Clusters) == 0 {
		return []string{"default"}
	}
	return in.Clusters
}

func (c *call) describeClusters(in *api.DescribeClustersInput) (*api.DescribeClustersOutput, error) {
	names := namedClusters(in)
	if len(names) > maxPage {
		return nil, invalidParameter("Clusters can not have more than %d elements.", maxPage)
	}
	out := &api.DescribeClustersOutput{Clusters: []types.Cluster{}, Failures: []types.Failure{}}
	for _, name := range names {
		k, err := c.cluster(&name)
		if err != nil {
			return nil, err
		}
		if row, ok := clusters.Get(c.tx, k.key()); ok {
			out.Clusters = append(out.Clusters, c.clusterView(k, row, in.Include))
		} else {
			out.Failures = append(out.Failures, missing(c.clusterARN(k)))
		}
	}
	return out, nil
}

func (c *call) listClusters(in *api.ListClustersInput) (*api.ListClustersOutput, error) {
	prefix := c.here().key()
	arns, next, err := paginate(in.NextToken, in.MaxResults,
		func(after string) iter.Seq2[string, clusterRow] {
			return below(clusters.After(c.tx, prefix, prefix+after), prefix)
		},
		func(row clusterRow) (string, bool) { return *row.View.ClusterArn, *row.View.Status == active })
	if err != nil {
		return nil, err
	}
	return &api.ListClustersOutput{ClusterArns: arns, NextToken: next}, nil
}

func (c *call) updateCluster(in *api.UpdateClusterInput) (*api.UpdateClusterOutput, error) {
	k, row, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	row.View.Settings = clusterSettings(row.View.Settings, in.Settings, "")
	if in.Configuration != nil {
		row.View.Configuration = in.Configuration
	}
	if in.ServiceConnectDefaults != nil {
		row.View.ServiceConnectDefaults = connectDefaults(in.ServiceConnectDefaults)
	}
	clusters.Put(c.tx, k.key(), row)
	return &api.UpdateClusterOutput{Cluster: new(c.clusterView(k, row, []types.ClusterField{types.ClusterFieldSettings, types.ClusterFieldConfigurations}))}, nil
}

func (c *call) updateClusterSettings(in *api.UpdateClusterSettingsInput) (*api.UpdateClusterSettingsOutput, error) {
	k, row, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	row.View.Settings = clusterSettings(row.View.Settings, in.Settings, "")
	clusters.Put(c.tx, k.key(), row)
	return &api.UpdateClusterSettingsOutput{Cluster: new(c.clusterView(k, row, []types.ClusterField{types.ClusterFieldSettings}))}, nil
}

func (c *call) mayPutClusterCapacityProviders(in *api.PutClusterCapacityProvidersInput) ([]service.Check, error) {
	checks, err := onCluster(func(in *api.PutClusterCapacityProvidersInput) *string { return in.Cluster })(c, in)
	if err != nil {
		return nil, err
	}
	checks[0].Context = append(checks[0].Context, c.providerKeys(in.CapacityProviders)...)
	return checks, nil
}

func (c *call) putClusterCapacityProviders(in *api.PutClusterCapacityProvidersInput) (*api.PutClusterCapacityProvidersOutput, error) {
	k, row, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if err := checkStrategy(in.DefaultCapacityProviderStrategy); err != nil {
		return nil, err
	}
	for _, i := range in.DefaultCapacityProviderStrategy {
		if !slices.Contains(in.CapacityProviders, *i.CapacityProvider) {
			return nil, invalidParameter("The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster and try again.")
		}
	}
	row.View.CapacityProviders = orEmpty(in.CapacityProviders)
	row.View.DefaultCapacityProviderStrategy = orEmpty(in.DefaultCapacityProviderStrategy)
	clusters.Put(c.tx, k.key(), row)
	return &api.PutClusterCapacityProvidersOutput{Cluster: new(c.clusterView(k, row, nil))}, nil
}

// deleteCluster leaves an INACTIVE cluster, which can be described for a
// while, as AWS does. Guests leave with it.
func (c *call) deleteCluster(in *api.DeleteClusterInput) (*api.DeleteClusterOutput, error) {
	k, row, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	n := c.count(k)
	var guests []string
	for key, i := range instances.Range(c.tx, k.members()) {
		if i.Guest {
			guests = append(guests, key)
		}
	}
	if err := cmp.Or(
		contains(n.instances-int32(len(guests)), "ClusterContainsContainerInstancesException", "The Cluster cannot be deleted while Container Instances are active or draining."),
		contains(n.services, "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active."),
		contains(n.running, "ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active."),
	); err != nil {
		return nil, err
	}
	for _, key := range guests {
		instances.Delete(c.tx, key)
	}
	row.View.Status = new(inactive)
	row.View.Tags = []types.Tag{}
	clusters.Put(c.tx, k.key(), row)
	return &api.DeleteClusterOutput{Cluster: new(c.clusterView(k, row, nil))}, nil
}
