package iam

import (
	"slices"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Operations is the table of the API, in the order of the files that answer.
func (s *IAM) Operations() []service.Operation {
	return slices.Concat(
		s.roleOperations(),
		s.userOperations(),
		s.groupOperations(),
		s.policyOperations(),
		s.otherOperations(),
		s.providerOperations(),
		s.simulationOperations(),
	)
}

func (s *IAM) roleOperations() []service.Operation {
	return []service.Operation{
		write(s, "CreateRole", (*call).mayCreateRole, (*call).createRole),
		read(s, "GetRole", on(roleKind, func(in *api.GetRoleInput) *string { return in.RoleName }, withBoundary), (*call).getRole),
		read(s, "ListRoles", onAll(roleKind, func(in *api.ListRolesInput) *string { return in.PathPrefix }), (*call).listRoles),
		write(s, "UpdateRole", on(roleKind, func(in *api.UpdateRoleInput) *string { return in.RoleName }, withBoundary), (*call).updateRole),
		write(s, "UpdateRoleDescription", on(roleKind, func(in *api.UpdateRoleDescriptionInput) *string { return in.RoleName }, withBoundary), (*call).updateRoleDescription),
		write(s, "UpdateAssumeRolePolicy", on(roleKind, func(in *api.UpdateAssumeRolePolicyInput) *string { return in.RoleName }, withBoundary), (*call).updateAssumeRolePolicy),
		write(s, "DeleteRole", on(roleKind, func(in *api.DeleteRoleInput) *string { return in.RoleName }, withBoundary), (*call).deleteRole),

		write(s, "PutRolePolicy", on(roleKind, func(in *api.PutRolePolicyInput) *string { return in.RoleName }, withBoundary), (*call).putRolePolicy),
		read(s, "GetRolePolicy", on(roleKind, func(in *api.GetRolePolicyInput) *string { return in.RoleName }), (*call).getRolePolicy),
		read(s, "ListRolePolicies", on(roleKind, func(in *api.ListRolePoliciesInput) *string { return in.RoleName }), (*call).listRolePolicies),
		write(s, "DeleteRolePolicy", on(roleKind, func(in *api.DeleteRolePolicyInput) *string { return in.RoleName }, withBoundary), (*call).deleteRolePolicy),
		write(s, "AttachRolePolicy", on(roleKind, func(in *api.AttachRolePolicyInput) *string { return in.RoleName }, withBoundary, withPolicy(func(in *api.AttachRolePolicyInput) *string { return in.PolicyArn })), (*call).attachRolePolicy),
		write(s, "DetachRolePolicy", on(roleKind, func(in *api.DetachRolePolicyInput) *string { return in.RoleName }, withBoundary, withPolicy(func(in *api.DetachRolePolicyInput) *string { return in.PolicyArn })), (*call).detachRolePolicy),
		read(s, "ListAttachedRolePolicies", on(roleKind, func(in *api.ListAttachedRolePoliciesInput) *string { return in.RoleName }), (*call).listAttachedRolePolicies),
		write(s, "PutRolePermissionsBoundary", on(roleKind, func(in *api.PutRolePermissionsBoundaryInput) *string { return in.RoleName }, setsBoundary(func(in *api.PutRolePermissionsBoundaryInput) *string { return in.PermissionsBoundary })), (*call).putRolePermissionsBoundary),
		write(s, "DeleteRolePermissionsBoundary", on(roleKind, func(in *api.DeleteRolePermissionsBoundaryInput) *string { return in.RoleName }, withBoundary), (*call).deleteRolePermissionsBoundary),

		write(s, "TagRole", on(roleKind, func(in *api.TagRoleInput) *string { return in.RoleName }, withTags(func(in *api.TagRoleInput) []types.Tag { return in.Tags })), (*call).tagRole),
		write(s, "UntagRole", on(roleKind, func(in *api.UntagRoleInput) *string { return in.RoleName }, withTagKeys(func(in *api.UntagRoleInput) []string { return in.TagKeys })), (*call).untagRole),
		read(s, "ListRoleTags", on(roleKind, func(in *api.ListRoleTagsInput) *string { return in.RoleName }), (*call).listRoleTags),

		write(s, "CreateServiceLinkedRole", (*call).mayCreateServiceLinkedRole, (*call).createServiceLinkedRole),
		write(s, "DeleteServiceLinkedRole", on(roleKind, func(in *api.DeleteServiceLinkedRoleInput) *string { return in.RoleName }), (*call).deleteServiceLinkedRole),
		read(s, "GetServiceLinkedRoleDeletionStatus", (*call).mayGetDeletionStatus, (*call).getServiceLinkedRoleDeletionStatus),
	}
}

func (s *IAM) userOperations() []service.Operation {
	return []service.Operation{
		write(s, "CreateUser", (*call).mayCreateUser, (*call).createUser),
		read(s, "GetUser", onSelf(func(in *api.GetUserInput) *string { return in.UserName }), (*call).getUser),
		read(s, "ListUsers", onAll(userKind, func(in *api.ListUsersInput) *string { return in.PathPrefix }), (*call).listUsers),
		write(s, "UpdateUser", (*call).mayUpdateUser, (*call).updateUser),
		write(s, "DeleteUser", on(userKind, func(in *api.DeleteUserInput) *string { return in.UserName }), (*call).deleteUser),

		write(s, "PutUserPolicy", on(userKind, func(in *api.PutUserPolicyInput) *string { return in.UserName }, withBoundary), (*call).putUserPolicy),
		read(s, "GetUserPolicy", on(userKind, func(in *api.GetUserPolicyInput) *string { return in.UserName }), (*call).getUserPolicy),
		read(s, "ListUserPolicies", on(userKind, func(in *api.ListUserPoliciesInput) *string { return in.UserName }), (*call).listUserPolicies),
		write(s, "DeleteUserPolicy", on(userKind, func(in *api.DeleteUserPolicyInput) *string { return in.UserName }, withBoundary), (*call).deleteUserPolicy),
		write(s, "AttachUserPolicy", on(userKind, func(in *api.AttachUserPolicyInput) *string { return in.UserName }, withBoundary, withPolicy(func(in *api.AttachUserPolicyInput) *string { return in.PolicyArn })), (*call).attachUserPolicy),
		write(s, "DetachUserPolicy", on(userKind, func(in *api.DetachUserPolicyInput) *string { return in.UserName }, withBoundary, withPolicy(func(in *api.DetachUserPolicyInput) *string { return in.PolicyArn })), (*call).detachUserPolicy),
		read(s, "ListAttachedUserPolicies", on(userKind, func(in *api.ListAttachedUserPoliciesInput) *string { return in.UserName }), (*call).listAttachedUserPolicies),
		write(s, "PutUserPermissionsBoundary", on(userKind, func(in *api.PutUserPermissionsBoundaryInput) *string { return in.UserName }, setsBoundary(func(in *api.PutUserPermissionsBoundaryInput) *string { return in.PermissionsBoundary })), (*call).putUserPermissionsBoundary),
		write(s, "DeleteUserPermissionsBoundary", on(userKind, func(in *api.DeleteUserPermissionsBoundaryInput) *string { return in.UserName }, withBoundary), (*call).deleteUserPermissionsBoundary),

		write(s, "TagUser", on(userKind, func(in *api.TagUserInput) *string { return in.UserName }, withTags(func(in *api.TagUserInput) []types.Tag { return in.Tags })), (*call).tagUser),
		write(s, "UntagUser", on(userKind, func(in *api.UntagUserInput) *string { return in.UserName }, withTagKeys(func(in *api.UntagUserInput) []string { return in.TagKeys })), (*call).untagUser),
		read(s, "ListUserTags", on(userKind, func(in *api.ListUserTagsInput) *string { return in.UserName }), (*call).listUserTags),

		write(s, "CreateAccessKey", onSelf(func(in *api.CreateAccessKeyInput) *string { return in.UserName }), (*call).createAccessKey),
		read(s, "ListAccessKeys", onSelf(func(in *api.ListAccessKeysInput) *string { return in.UserName }), (*call).listAccessKeys),
		write(s, "UpdateAccessKey", onSelf(func(in *api.UpdateAccessKeyInput) *string { return in.UserName }), (*call).updateAccessKey),
		write(s, "DeleteAccessKey", onSelf(func(in *api.DeleteAccessKeyInput) *string { return in.UserName }), (*call).deleteAccessKey),
		read(s, "GetAccessKeyLastUsed", (*call).mayGetAccessKeyLastUsed, (*call).getAccessKeyLastUsed),

		read(s, "GetLoginProfile", onSelf(func(in *api.GetLoginProfileInput) *string { return in.UserName }), (*call).getLoginProfile),
		write(s, "DeleteLoginProfile", onSelf(func(in *api.DeleteLoginProfileInput) *string { return in.UserName }), (*call).deleteLoginProfile),
		read(s, "ListSSHPublicKeys", onSelf(func(in *api.ListSSHPublicKeysInput) *string { return in.UserName }), (*call).listSSHPublicKeys),
		read(s, "ListMFADevices", onSelf(func(in *api.ListMFADevicesInput) *string { return in.UserName }), (*call).listMFADevices),
		read(s, "ListVirtualMFADevices", onAccount[api.ListVirtualMFADevicesInput], (*call).listVirtualMFADevices),
		read(s, "ListSigningCertificates", onSelf(func(in *api.ListSigningCertificatesInput) *string { return in.UserName }), (*call).listSigningCertificates),
		read(s, "ListServiceSpecificCredentials", onSelf(func(in *api.ListServiceSpecificCredentialsInput) *string { return in.UserName }), (*call).listServiceSpecificCredentials),
	}
}

func (s *IAM) groupOperations() []service.Operation {
	return []service.Operation{
		write(s, "CreateGroup", (*call).mayCreateGroup, (*call).createGroup),
		read(s, "GetGroup", on(groupKind, func(in *api.GetGroupInput) *string { return in.GroupName }), (*call).getGroup),
		read(s, "ListGroups", onAll(groupKind, func(in *api.ListGroupsInput) *string { return in.PathPrefix }), (*call).listGroups),
		write(s, "UpdateGroup", (*call).mayUpdateGroup, (*call).updateGroup),
		write(s, "DeleteGroup", on(groupKind, func(in *api.DeleteGroupInput) *string { return in.GroupName }), (*call).deleteGroup),
		write(s, "AddUserToGroup", on(groupKind, func(in *api.AddUserToGroupInput) *string { return in.GroupName }), (*call).addUserToGroup),
		write(s, "RemoveUserFromGroup", on(groupKind, func(in *api.RemoveUserFromGroupInput) *string { return in.GroupName }), (*call).removeUserFromGroup),
		read(s, "ListGroupsForUser", on(userKind, func(in *api.ListGroupsForUserInput) *string { return in.UserName }), (*call).listGroupsForUser),

		write(s, "PutGroupPolicy", on(groupKind, func(in *api.PutGroupPolicyInput) *string { return in.GroupName }), (*call).putGroupPolicy),
		read(s, "GetGroupPolicy", on(groupKind, func(in *api.GetGroupPolicyInput) *string { return in.GroupName }), (*call).getGroupPolicy),
		read(s, "ListGroupPolicies", on(groupKind, func(in *api.ListGroupPoliciesInput) *string { return in.GroupName }), (*call).listGroupPolicies),
		write(s, "DeleteGroupPolicy", on(groupKind, func(in *api.DeleteGroupPolicyInput) *string { return in.GroupName }), (*call).deleteGroupPolicy),
		write(s, "AttachGroupPolicy", on(groupKind, func(in *api.AttachGroupPolicyInput) *string { return in.GroupName }, withPolicy(func(in *api.AttachGroupPolicyInput) *string { return in.PolicyArn })), (*call).attachGroupPolicy),
		write(s, "DetachGroupPolicy", on(groupKind, func(in *api.DetachGroupPolicyInput) *string { return in.GroupName }, withPolicy(func(in *api.DetachGroupPolicyInput) *string { return in.PolicyArn })), (*call).detachGroupPolicy),
		read(s, "ListAttachedGroupPolicies", on(groupKind, func(in *api.ListAttachedGroupPoliciesInput) *string { return in.GroupName }), (*call).listAttachedGroupPolicies),
	}
}

func (s *IAM) policyOperations() []service.Operation {
	return []service.Operation{
		write(s, "CreatePolicy", (*call).mayCreatePolicy, (*call).createPolicy),
		read(s, "GetPolicy", onPolicy(func(in *api.GetPolicyInput) *string { return in.PolicyArn }), (*call).getPolicy),
		read(s, "ListPolicies", onAll(policyKind, func(in *api.ListPoliciesInput) *string { return in.PathPrefix }), (*call).listPolicies),
		write(s, "DeletePolicy", onOwnPolicy(func(in *api.DeletePolicyInput) *string { return in.PolicyArn }), (*call).deletePolicy),
		read(s, "ListEntitiesForPolicy", onPolicy(func(in *api.ListEntitiesForPolicyInput) *string { return in.PolicyArn }), (*call).listEntitiesForPolicy),

		write(s, "CreatePolicyVersion", onOwnPolicy(func(in *api.CreatePolicyVersionInput) *string { return in.PolicyArn }), (*call).createPolicyVersion),
		read(s, "GetPolicyVersion", onPolicy(func(in *api.GetPolicyVersionInput) *string { return in.PolicyArn }), (*call).getPolicyVersion),
		read(s, "ListPolicyVersions", onPolicy(func(in *api.ListPolicyVersionsInput) *string { return in.PolicyArn }), (*call).listPolicyVersions),
		write(s, "SetDefaultPolicyVersion", onOwnPolicy(func(in *api.SetDefaultPolicyVersionInput) *string { return in.PolicyArn }), (*call).setDefaultPolicyVersion),
		write(s, "DeletePolicyVersion", onOwnPolicy(func(in *api.DeletePolicyVersionInput) *string { return in.PolicyArn }), (*call).deletePolicyVersion),

		write(s, "TagPolicy", onOwnPolicy(func(in *api.TagPolicyInput) *string { return in.PolicyArn }, withTags(func(in *api.TagPolicyInput) []types.Tag { return in.Tags })), (*call).tagPolicy),
		write(s, "UntagPolicy", onOwnPolicy(func(in *api.UntagPolicyInput) *string { return in.PolicyArn }, withTagKeys(func(in *api.UntagPolicyInput) []string { return in.TagKeys })), (*call).untagPolicy),
		read(s, "ListPolicyTags", onPolicy(func(in *api.ListPolicyTagsInput) *string { return in.PolicyArn }), (*call).listPolicyTags),
	}
}

func (s *IAM) otherOperations() []service.Operation {
	return []service.Operation{
		write(s, "CreateInstanceProfile", (*call).mayCreateInstanceProfile, (*call).createInstanceProfile),
		read(s, "GetInstanceProfile", onProfile(func(in *api.GetInstanceProfileInput) *string { return in.InstanceProfileName }), (*call).getInstanceProfile),
		read(s, "ListInstanceProfiles", onAll(profileKind, func(in *api.ListInstanceProfilesInput) *string { return in.PathPrefix }), (*call).listInstanceProfiles),
		read(s, "ListInstanceProfilesForRole", on(roleKind, func(in *api.ListInstanceProfilesForRoleInput) *string { return in.RoleName }), (*call).listInstanceProfilesForRole),
		write(s, "AddRoleToInstanceProfile", (*call).mayAddRoleToInstanceProfile, (*call).addRoleToInstanceProfile),
		write(s, "RemoveRoleFromInstanceProfile", onProfile(func(in *api.RemoveRoleFromInstanceProfileInput) *string { return in.InstanceProfileName }), (*call).removeRoleFromInstanceProfile),
		write(s, "DeleteInstanceProfile", onProfile(func(in *api.DeleteInstanceProfileInput) *string { return in.InstanceProfileName }), (*call).deleteInstanceProfile),
		write(s, "TagInstanceProfile", onProfile(func(in *api.TagInstanceProfileInput) *string { return in.InstanceProfileName }, withTags(func(in *api.TagInstanceProfileInput) []types.Tag { return in.Tags })), (*call).tagInstanceProfile),
		write(s, "UntagInstanceProfile", onProfile(func(in *api.UntagInstanceProfileInput) *string { return in.InstanceProfileName }, withTagKeys(func(in *api.UntagInstanceProfileInput) []string { return in.TagKeys })), (*call).untagInstanceProfile),
		read(s, "ListInstanceProfileTags", onProfile(func(in *api.ListInstanceProfileTagsInput) *string { return in.InstanceProfileName }), (*call).listInstanceProfileTags),

		write(s, "CreateAccountAlias", onAccount[api.CreateAccountAliasInput], (*call).createAccountAlias),
		read(s, "ListAccountAliases", onAccount[api.ListAccountAliasesInput], (*call).listAccountAliases),
		write(s, "DeleteAccountAlias", onAccount[api.DeleteAccountAliasInput], (*call).deleteAccountAlias),
		read(s, "GetAccountPasswordPolicy", onAccount[api.GetAccountPasswordPolicyInput], (*call).getAccountPasswordPolicy),
		read(s, "GetAccountSummary", onAccount[api.GetAccountSummaryInput], (*call).getAccountSummary),
		read(s, "GetAccountAuthorizationDetails", onAccount[api.GetAccountAuthorizationDetailsInput], (*call).getAccountAuthorizationDetails),
	}
}

func (s *IAM) providerOperations() []service.Operation {
	return []service.Operation{
		write(s, "CreateOpenIDConnectProvider", (*call).mayCreateOpenIDConnectProvider, (*call).createOpenIDConnectProvider),
		read(s, "GetOpenIDConnectProvider", onProvider(oidcKind, func(in *api.GetOpenIDConnectProviderInput) *string { return in.OpenIDConnectProviderArn }), (*call).getOpenIDConnectProvider),
		read(s, "ListOpenIDConnectProviders", onAccount[api.ListOpenIDConnectProvidersInput], (*call).listOpenIDConnectProviders),
		write(s, "DeleteOpenIDConnectProvider", onProvider(oidcKind, func(in *api.DeleteOpenIDConnectProviderInput) *string { return in.OpenIDConnectProviderArn }), (*call).deleteOpenIDConnectProvider),
		write(s, "AddClientIDToOpenIDConnectProvider", onProvider(oidcKind, func(in *api.AddClientIDToOpenIDConnectProviderInput) *string { return in.OpenIDConnectProviderArn }), (*call).addClientID),
		write(s, "RemoveClientIDFromOpenIDConnectProvider", onProvider(oidcKind, func(in *api.RemoveClientIDFromOpenIDConnectProviderInput) *string { return in.OpenIDConnectProviderArn }), (*call).removeClientID),
		write(s, "UpdateOpenIDConnectProviderThumbprint", onProvider(oidcKind, func(in *api.UpdateOpenIDConnectProviderThumbprintInput) *string { return in.OpenIDConnectProviderArn }), (*call).updateThumbprint),
		write(s, "TagOpenIDConnectProvider", onProvider(oidcKind, func(in *api.TagOpenIDConnectProviderInput) *string { return in.OpenIDConnectProviderArn }, withTags(func(in *api.TagOpenIDConnectProviderInput) []types.Tag { return in.Tags })), (*call).tagOpenIDConnectProvider),
		write(s, "UntagOpenIDConnectProvider", onProvider(oidcKind, func(in *api.UntagOpenIDConnectProviderInput) *string { return in.OpenIDConnectProviderArn }, withTagKeys(func(in *api.UntagOpenIDConnectProviderInput) []string { return in.TagKeys })), (*call).untagOpenIDConnectProvider),
		read(s, "ListOpenIDConnectProviderTags", onProvider(oidcKind, func(in *api.ListOpenIDConnectProviderTagsInput) *string { return in.OpenIDConnectProviderArn }), (*call).listOpenIDConnectProviderTags),

		write(s, "CreateSAMLProvider", (*call).mayCreateSAMLProvider, (*call).createSAMLProvider),
		read(s, "GetSAMLProvider", onProvider(samlKind, func(in *api.GetSAMLProviderInput) *string { return in.SAMLProviderArn }), (*call).getSAMLProvider),
		read(s, "ListSAMLProviders", onAccount[api.ListSAMLProvidersInput], (*call).listSAMLProviders),
		write(s, "UpdateSAMLProvider", onProvider(samlKind, func(in *api.UpdateSAMLProviderInput) *string { return in.SAMLProviderArn }), (*call).updateSAMLProvider),
		write(s, "DeleteSAMLProvider", onProvider(samlKind, func(in *api.DeleteSAMLProviderInput) *string { return in.SAMLProviderArn }), (*call).deleteSAMLProvider),
		write(s, "TagSAMLProvider", onProvider(samlKind, func(in *api.TagSAMLProviderInput) *string { return in.SAMLProviderArn }, withTags(func(in *api.TagSAMLProviderInput) []types.Tag { return in.Tags })), (*call).tagSAMLProvider),
		write(s, "UntagSAMLProvider", onProvider(samlKind, func(in *api.UntagSAMLProviderInput) *string { return in.SAMLProviderArn }, withTagKeys(func(in *api.UntagSAMLProviderInput) []string { return in.TagKeys })), (*call).untagSAMLProvider),
		read(s, "ListSAMLProviderTags", onProvider(samlKind, func(in *api.ListSAMLProviderTagsInput) *string { return in.SAMLProviderArn }), (*call).listSAMLProviderTags),
	}
}

func (s *IAM) simulationOperations() []service.Operation {
	return []service.Operation{
		read(s, "SimulateCustomPolicy", onAccount[api.SimulateCustomPolicyInput], (*call).simulateCustomPolicy),
		read(s, "SimulatePrincipalPolicy", onSource(func(in *api.SimulatePrincipalPolicyInput) *string { return in.PolicySourceArn }), (*call).simulatePrincipalPolicy),
		read(s, "GetContextKeysForCustomPolicy", onAccount[api.GetContextKeysForCustomPolicyInput], (*call).getContextKeysForCustomPolicy),
		read(s, "GetContextKeysForPrincipalPolicy", onSource(func(in *api.GetContextKeysForPrincipalPolicyInput) *string { return in.PolicySourceArn }), (*call).getContextKeysForPrincipalPolicy),
	}
}
