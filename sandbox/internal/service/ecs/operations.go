package ecs

import (
	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Operations is the table of the API, in the order of the files that answer.
func (s *ECS) Operations() []service.Operation {
	return []service.Operation{
		write(s, "CreateCluster", (*call).mayCreateCluster, (*call).createCluster),
		read(s, "DescribeClusters", onClusters, (*call).describeClusters),
		read(s, "ListClusters", onAll[api.ListClustersInput], (*call).listClusters),
		write(s, "UpdateCluster", onCluster(func(in *api.UpdateClusterInput) *string { return in.Cluster }), (*call).updateCluster),
		write(s, "UpdateClusterSettings", onCluster(func(in *api.UpdateClusterSettingsInput) *string { return in.Cluster }), (*call).updateClusterSettings),
		write(s, "PutClusterCapacityProviders", (*call).mayPutClusterCapacityProviders, (*call).putClusterCapacityProviders),
		write(s, "DeleteCluster", onCluster(func(in *api.DeleteClusterInput) *string { return in.Cluster }), (*call).deleteCluster),

		write(s, "RegisterTaskDefinition", (*call).mayRegisterTaskDefinition, (*call).registerTaskDefinition),
		read(s, "DescribeTaskDefinition", onAll[api.DescribeTaskDefinitionInput], (*call).describeTaskDefinition),
		read(s, "ListTaskDefinitions", onAll[api.ListTaskDefinitionsInput], (*call).listTaskDefinitions),
		read(s, "ListTaskDefinitionFamilies", onAll[api.ListTaskDefinitionFamiliesInput], (*call).listTaskDefinitionFamilies),
		write(s, "DeregisterTaskDefinition", onAll[api.DeregisterTaskDefinitionInput], (*call).deregisterTaskDefinition),
		write(s, "DeleteTaskDefinitions", (*call).mayDeleteTaskDefinitions, (*call).deleteTaskDefinitions),

		write(s, "CreateService", (*call).mayCreateService, (*call).createService),
		read(s, "DescribeServices", inCluster("service", func(in *api.DescribeServicesInput) *string { return in.Cluster }, func(in *api.DescribeServicesInput) []string { return in.Services }, (*call).serviceTags), (*call).describeServices),
		read(s, "ListServices", mayListServices, (*call).listServices),
		write(s, "UpdateService", (*call).mayUpdateService, (*call).updateService),
		write(s, "DeleteService", inCluster("service", func(in *api.DeleteServiceInput) *string { return in.Cluster }, func(in *api.DeleteServiceInput) []string { return just(in.Service) }, (*call).serviceTags), (*call).deleteService),

		write(s, "RunTask", (*call).mayRunTask, (*call).runTask),
		write(s, "StartTask", (*call).mayStartTask, (*call).startTask),
		write(s, "StopTask", inCluster("task", func(in *api.StopTaskInput) *string { return in.Cluster }, func(in *api.StopTaskInput) []string { return just(in.Task) }, (*call).taskTags), (*call).stopTask),
		read(s, "DescribeTasks", inCluster("task", func(in *api.DescribeTasksInput) *string { return in.Cluster }, func(in *api.DescribeTasksInput) []string { return in.Tasks }, (*call).taskTags), (*call).describeTasks),
		read(s, "ListTasks", (*call).mayListTasks, (*call).listTasks),

		write(s, "RegisterContainerInstance", (*call).mayRegisterContainerInstance, (*call).registerContainerInstance),
		write(s, "DeregisterContainerInstance", onCluster(func(in *api.DeregisterContainerInstanceInput) *string { return in.Cluster }), (*call).deregisterContainerInstance),
		read(s, "DescribeContainerInstances", inCluster("container-instance", func(in *api.DescribeContainerInstancesInput) *string { return in.Cluster }, func(in *api.DescribeContainerInstancesInput) []string { return in.ContainerInstances }, (*call).instanceTags), (*call).describeContainerInstances),
		read(s, "ListContainerInstances", onCluster(func(in *api.ListContainerInstancesInput) *string { return in.Cluster }), (*call).listContainerInstances),
		write(s, "UpdateContainerInstancesState", inCluster("container-instance", func(in *api.UpdateContainerInstancesStateInput) *string { return in.Cluster }, func(in *api.UpdateContainerInstancesStateInput) []string { return in.ContainerInstances }, (*call).instanceTags), (*call).updateContainerInstancesState),

		write(s, "TagResource", onResource(func(in *api.TagResourceInput) *string { return in.ResourceArn }, func(in *api.TagResourceInput) []service.KV { return requestTags(in.Tags) }), (*call).tagResource),
		write(s, "UntagResource", onResource(func(in *api.UntagResourceInput) *string { return in.ResourceArn }, func(in *api.UntagResourceInput) []service.KV { return tagKeys(in.TagKeys) }), (*call).untagResource),
		read(s, "ListTagsForResource", onResource(func(in *api.ListTagsForResourceInput) *string { return in.ResourceArn }, func(*api.ListTagsForResourceInput) []service.KV { return nil }), (*call).listTagsForResource),

		write(s, "PutAccountSetting", onSetting(func(in *api.PutAccountSettingInput) types.SettingName { return in.Name }), (*call).putAccountSetting),
		write(s, "PutAccountSettingDefault", onSetting(func(in *api.PutAccountSettingDefaultInput) types.SettingName { return in.Name }), (*call).putAccountSettingDefault),
		write(s, "DeleteAccountSetting", onSetting(func(in *api.DeleteAccountSettingInput) types.SettingName { return in.Name }), (*call).deleteAccountSetting),
		read(s, "ListAccountSettings", onAll[api.ListAccountSettingsInput], (*call).listAccountSettings),
	}
}
