//! The 173 rights of Deep Security as one table, sets of them as bits, and the marker types by which
//! a handler's signature names the right it needs.

use std::collections::BTreeSet;
use std::fmt;

/// One right of the table: its place is its bit.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Right(u8);

/// Where a right stands in the three levels of the wire form.
#[derive(Debug, PartialEq, Eq)]
pub struct RightName {
    /// First level, for example `platformRights`.
    pub group: &'static str,
    /// Second level, for example `apikeyRights`.
    pub sub_group: &'static str,
    /// The right itself, for example `canCreateNewApiKeys`.
    pub name: &'static str,
}

macro_rules! rights {
    ($($group:ident { $($sub:ident: $($name:ident),+;)+ })+) => {
        /// Every right, in the order in which answers list them (row DS-19; reference: the vendor's SDK 20.0).
        pub const TABLE: &[RightName] = &[
            $($($(RightName {
                group: stringify!($group),
                sub_group: stringify!($sub),
                name: stringify!($name),
            },)+)+)+
        ];
    };
}

rights! {
    platformRights {
        administratorRights: canCreateNewAdministrators, canDeleteAdministrators, canEditAdministratorProperties, canViewAdministrators;
        administratorRoleRights: canCreateNewAdministratorRoles, canDeleteAdministratorRoles, canEditAdministratorRoleProperties, canViewAdministratorRoles;
        agentVersionControlRights: canEditAgentVersionControls;
        alertConfigurationRights: canEditAlertConfigurations;
        alertRights: canDismissGlobalAlerts;
        certificateRights: canCreateNewCertificates, canDeleteCertificates;
        computerRights: canAddAndRemoveComputerGroups, canCreateNewComputers, canDeleteComputers, canDismissAlerts, canEditComputerProperties, canImportComputers, canManageCloudAccounts, canManageDirectories, canManageVCenters, canTagComputers, canViewNotRelatedToComputers, canViewOtherComputers;
        contactRights: canCreateNewContacts, canDeleteContacts, canEditContactProperties, canViewContacts;
        diagnosticRights: canCreateDiagnosticPackages;
        assetValueRights: canCreateNewAssetValues, canDeleteAssetValues, canEditAssetValueProperties;
        licenseRights: canChangeLicense, canViewLicense;
        multiTenantRights: canCreateTenants, canDeleteTenants, canEditTenantGeneralProperties, canEditTenantModules, canEditTenantAccountDetails, canEditTenantFeatures, canEditTenantSettings, canCreateAndEditTenantDatabaseServers, canDeleteTenantDatabaseServers, canManageTenantAPIKeys, canSignInAsTenant, canViewTenants;
        policyRights: canCreateNewPolicies, canDeletePolicies, canEditPolicyProperties, canImportPolicies, canViewOtherPolicies;
        portListRights: canCreateNewPortLists, canDeletePortLists, canEditPortListProperties;
        proxyRights: canCreateNewProxies, canDeleteProxies, canEditProxyProperties;
        relayGroupRights: canCreateNewRelayGroups, canDeleteRelayGroups, canEditRelayGroupProperties;
        scanCacheRights: canManageScanCache;
        scheduledTaskRights: canCreateNewScheduledTasks, canDeleteScheduledTasks, canEditScheduledTaskProperties, canExecuteScheduledTasks, canViewScheduledTasks;
        scheduleRights: canCreateNewSchedules, canDeleteSchedules, canEditScheduleProperties;
        settingRights: canEditSettings, canViewSettings;
        expertSettingRights: canEditExpertSettings, canViewExpertSettings;
        syslogConfigurationRights: canCreateNewSyslogConfigurations, canDeleteSyslogConfigurations, canEditSyslogConfigurationProperties;
        systemInformationRights: canManageExtensions, canManageNodes, canViewSystemInformation;
        taggingRights: canDeleteAutoTagRules, canUpdateAutoTagRules, canRunAutoTagRules, canDeleteTags, canTag;
        updateRights: canImportSoftware, canDeleteSoftware, canEditSoftwareProperties, canImportRuleUpdates, canDeleteRuleUpdates, canViewRuleUpdates;
        apikeyRights: canCreateNewApiKeys, canDeleteApiKeys, canEditApiKeyProperties, canViewApiKeys;
        iplistRights: canCreateNewIPLists, canDeleteIPLists, canEditIPListProperties;
        samlidentityProviderRights: canCreateNewSAMLIdentityProviders, canDeleteSAMLIdentityProviders, canEditSAMLIdentityProviders, canViewSAMLIdentityProviders;
    }
    antiMalwareRights {
        antiMalwareConfigurationRights: canCreateNewAntiMalwareConfigurations, canDeleteAntiMalwareConfigurations, canEditAntiMalwareConfigurations;
        directoryListRights: canCreateNewDirectoryLists, canDeleteDirectoryLists, canEditDirectoryListProperties;
        fileListRights: canCreateNewFileLists, canDeleteFileLists, canEditFileListProperties;
        fileExtensionListRights: canCreateNewFileExtensionLists, canDeleteFileExtensionLists, canEditFileExtensionListProperties;
        identifiedFileRights: canDeleteIdentifiedFiles, canDownloadIdentifiedFiles, canRestoreIdentifiedFiles, canSubmitIdentifiedFiles;
    }
    webReputationRights {
        webReputationConfigurationRights: canEditWebReputationConfiguration;
    }
    sensingModeRights {
        sensingModeConfigurationRights: canEditSensingModeConfiguration;
    }
    firewallRights {
        contextRights: canCreateNewContexts, canDeleteContexts, canEditContextProperties;
        firewallRuleRights: canCreateNewFirewallRules, canDeleteFirewallRules, canEditFirewallRuleProperties;
        statefulConfigurationRights: canCreateNewStatefulConfigurations, canDeleteStatefulConfigurations, canEditStatefulConfigurationProperties;
        macListRights: canCreateNewMACLists, canDeleteMACLists, canEditMACListProperties;
    }
    intrusionPreventionRights {
        applicationTypeRights: canCreateNewApplicationTypes, canDeleteApplicationTypes, canEditApplicationTypeProperties;
        intrusionPreventionRuleRights: canCreateNewIntrusionPreventionRules, canDeleteIntrusionPreventionRules, canEditIntrusionPreventionRuleProperties;
    }
    integrityMonitoringRights {
        integrityMonitoringRuleRights: canCreateNewIntegrityMonitoringRules, canDeleteIntegrityMonitoringRules, canEditIntegrityMonitoringRuleProperties;
    }
    logInspectionRights {
        logInspectionDecoderRights: canCreateNewLogInspectionDecoders, canDeleteLogInspectionDecoders, canEditLogInspectionDecoderProperties;
        logInspectionRuleRights: canCreateNewLogInspectionRules, canDeleteLogInspectionRules, canEditLogInspectionRuleProperties;
    }
    applicationControlRights {
        driftRights: canAllowOrBlockDrift, canViewDrift;
        rulesetRights: canCreateNewRulesets, canDeleteRulesets, canEditRulesetProperties, canViewRulesets;
        ruleRights: canCreateNewAppControlRules, canDeleteAppControlRules, canEditAppControlRulesProperties, canViewAppControlRules;
        softwareInventoryRights: canCreateNewSoftwareInventory, canDeleteSoftwareInventory, canViewSoftwareInventory;
    }
    hostedServiceRights {
        accountRights: canDeleteAccounts, canUpdateAccounts, canViewAccountBilling;
        fixRights: canViewFixes;
        heapRights: canViewHeap;
        licenseRateRights: canSaveLicenseRates, canViewLicenseRates;
        queryRights: canViewQuery;
        queryTracebackRights: canViewQueryTracebacks;
        serverLogRights: canViewServerLogs;
        stackTraceRights: canViewStackTraces;
        networkSecurityRights: canCreateDeviceAuthorizationTokens;
    }
    awsmarketplaceRights {
        billingInformationRights: canViewAWSBillingInformation;
    }
}

/// How many rights there are.
pub const COUNT: usize = TABLE.len();

/// Finds a right while compiling, so that a misspelt one does not build.
const fn named(sub_group: &str, name: &str) -> Right {
    let mut at = 0;
    while at < TABLE.len() {
        if same(TABLE[at].sub_group, sub_group) && same(TABLE[at].name, name) {
            return Right(at as u8);
        }
        at += 1;
    }
    panic!("no such right")
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

impl Right {
    /// Every right, in the table's order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..COUNT as u8).map(Self)
    }

    /// Its three names.
    pub fn name(self) -> &'static RightName {
        &TABLE[usize::from(self.0)]
    }

    /// Finds a right by its three names with dots between them.
    pub fn find_dotted(text: &str) -> Option<Self> {
        let mut names = text.split('.');
        let (group, sub_group, name) = (names.next()?, names.next()?, names.next()?);
        if names.next().is_some() { None } else { Self::find(group, sub_group, name) }
    }

    /// The rights whose names are most like a text that is none, the most likely first.
    pub fn near(text: &str) -> Vec<Self> {
        const SOME: usize = 3;
        // a long text is no slip of the pen, and its distance takes long to find
        let text: String = text.chars().take(200).collect::<String>().to_lowercase();
        let last = text.rsplit('.').next().unwrap_or_default();
        let distance = |right: &Self| {
            let whole = strsim::osa_distance(&text, &format!("{right:?}").to_lowercase());
            whole.min(strsim::osa_distance(last, &right.name().name.to_lowercase()))
        };
        let mut all: Vec<(usize, Self)> = Self::all().map(|right| (distance(&right), right)).collect();
        all.sort_by_key(|(distance, _)| *distance);
        all.into_iter().take(SOME).map(|(_, right)| right).collect()
    }

    /// Finds a right by its three names.
    pub fn find(group: &str, sub_group: &str, name: &str) -> Option<Self> {
        Self::all().find(|right| {
            let known = right.name();
            known.group == group && known.sub_group == sub_group && known.name == name
        })
    }
}

impl fmt::Debug for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        write!(f, "{}.{}.{}", name.group, name.sub_group, name.name)
    }
}

/// A set of rights: one bit each, in the table's order.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights([u64; 3]);

const _: () = assert!(COUNT <= 3 * 64);

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self([0; 3]);

    /// Every right of the table.
    pub fn all() -> Self {
        Right::all().collect()
    }

    /// What the built-in role Auditor may do.
    pub fn auditor() -> Self {
        [VIEW_NOT_RELATED_TO_COMPUTERS, VIEW_OTHER_COMPUTERS, VIEW_OTHER_POLICIES].into_iter().collect()
    }

    /// This set and one right more.
    #[must_use]
    pub fn with(mut self, right: Right) -> Self {
        self.0[usize::from(right.0 / 64)] |= 1 << (right.0 % 64);
        self
    }

    /// Whether `right` is in the set.
    pub fn contains(&self, right: Right) -> bool {
        self.0[usize::from(right.0 / 64)] & (1 << (right.0 % 64)) != 0
    }

    /// The rights that are in both sets.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    /// The rights that are in either set.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    /// Whether every right of this set is in `other` too.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(mine, theirs)| mine & !theirs == 0)
    }

    /// The rights of the set, in the table's order.
    pub fn iter(&self) -> impl Iterator<Item = Right> {
        let set = *self;
        Right::all().filter(move |right| set.contains(*right))
    }

    /// The form in which the database keeps a set: 24 bytes, bit 0 first.
    pub fn to_bytes(self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Reads what [`Rights::to_bytes`] wrote; bits beyond the table are dropped, missing bytes are no rights.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Right::all()
            .filter(|right| bytes.get(usize::from(right.0 / 8)).is_some_and(|byte| byte & (1 << (right.0 % 8)) != 0))
            .collect()
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        rights.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Reads computers that belong to no group of the role.
pub const VIEW_NOT_RELATED_TO_COMPUTERS: Right = named("computerRights", "canViewNotRelatedToComputers");
/// Reads computers that the role does not name.
pub const VIEW_OTHER_COMPUTERS: Right = named("computerRights", "canViewOtherComputers");
/// Reads policies that the role does not name.
pub const VIEW_OTHER_POLICIES: Right = named("policyRights", "canViewOtherPolicies");

/// The computers and policies a role reaches (row DS-19).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Every computer, whatever the lists say.
    pub all_computers: bool,
    /// Every policy, whatever the list says.
    pub all_policies: bool,
    /// Single computers, by ID.
    pub computers: BTreeSet<i64>,
    /// Groups of computers, by ID; 0 are the computers in no group. Subgroups are not implied.
    pub computer_groups: BTreeSet<i64>,
    /// Single policies, by ID.
    pub policies: BTreeSet<i64>,
}

impl Reach {
    /// Everything there is.
    pub fn everything() -> Self {
        Self { all_computers: true, all_policies: true, ..Self::default() }
    }

    /// Whether all that this reaches is reached by `other` too.
    pub fn is_within(&self, other: &Self) -> bool {
        let computers = other.all_computers
            || (!self.all_computers
                && self.computers.is_subset(&other.computers)
                && self.computer_groups.is_subset(&other.computer_groups));
        let policies = other.all_policies || (!self.all_policies && self.policies.is_subset(&other.policies));
        computers && policies
    }
}

/// The ways in that a role opens to its bearers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// The console.
    pub user_interface: bool,
    /// The API.
    pub web_service: bool,
}

impl Ways {
    /// Both.
    pub const ALL: Self = Self { user_interface: true, web_service: true };

    /// Whether every way of this is one of `other` too.
    pub fn is_within(self, other: Self) -> bool {
        (other.user_interface || !self.user_interface) && (other.web_service || !self.web_service)
    }
}

/// What a role lets its bearers do, to what, and by which ways they come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// What.
    pub rights: Rights,
    /// To what.
    pub reach: Reach,
    /// By which ways.
    pub ways: Ways,
}

impl Grant {
    /// All that can be granted.
    pub fn everything() -> Self {
        Self { rights: Rights::all(), reach: Reach::everything(), ways: Ways::ALL }
    }

    /// What there is in it for a key, which never comes in by the console.
    #[must_use]
    pub fn for_a_key(&self) -> Self {
        Self { ways: Ways { user_interface: false, ..self.ways }, ..self.clone() }
    }

    /// Whether this is at least as strong as `other`: nobody may hand out or handle more than they have.
    pub fn covers(&self, other: &Self) -> bool {
        other.rights.is_subset_of(&self.rights) && other.reach.is_within(&self.reach) && other.ways.is_within(self.ways)
    }
}

/// What a handler asks of its caller: a marker type in `Caller<…>`.
pub trait Demand: 'static {
    /// The right that is needed; none where every caller may.
    const RIGHT: Option<Right>;
    /// Rights of which one will do in its place, where what a call needs turns out only on the way.
    const OR: &'static [Right];
    /// What the caller wants, for "Not authorized to …".
    const DOING: &'static str;
    /// Whether a session opened with the initial password may do it too.
    const WITH_INITIAL_PASSWORD: bool;
    /// Whether a session may do it that is there for making one key.
    const WITH_ONE_SHOT: bool;
    /// Whether only callers of the primary tenant may do it, whatever their rights.
    const PRIMARY_ONLY: bool;
}

macro_rules! demands {
    ($($(#[$about:meta])* $name:ident: $right:expr, $doing:literal $(, $mark:ident $($one_shot:literal)?)? $(=> [$($other:expr),+])?;)*) => {$(
        $(#[$about])*
        #[derive(Debug)]
        pub struct $name;

        impl Demand for $name {
            const RIGHT: Option<Right> = $right;
            const OR: &'static [Right] = &[$($($other),+)?];
            const DOING: &'static str = $doing;
            const WITH_INITIAL_PASSWORD: bool = matches!(concat!($(stringify!($mark))?).as_bytes(), b"initial_password");
            const WITH_ONE_SHOT: bool = matches!(concat!($($($one_shot)?)?).as_bytes(), b"and one shot");
            const PRIMARY_ONLY: bool = matches!(concat!($(stringify!($mark))?).as_bytes(), b"primary_only");
        }
    )*};
}

demands! {
    /// Whoever is signed in or brings a live key.
    Authenticated: None, "use this call";
    /// What concerns nobody but the caller, and is open even before the initial password is changed.
    OwnAccount: None, "use this call", initial_password;
    /// Ends the session that the call is made with.
    SignOut: None, "use this call", initial_password "and one shot";

    /// Mints keys.
    CreateApiKeys: Some(named("apikeyRights", "canCreateNewApiKeys")), "create API keys", initial_password "and one shot";
    /// Hands out codes that keys are made with later; not before the initial password is changed.
    CreateClaims: Some(named("apikeyRights", "canCreateNewApiKeys")), "create API keys";
    /// Brings keys from elsewhere.
    ImportApiKeys: Some(named("apikeyRights", "canCreateNewApiKeys")), "create API keys";
    /// Reads keys.
    ViewApiKeys: Some(named("apikeyRights", "canViewApiKeys")), "view API keys";
    /// Changes keys.
    EditApiKeys: Some(named("apikeyRights", "canEditApiKeyProperties")), "edit API keys";
    /// Makes keys of a name what they are to be: which of the rights is needed depends on what is there.
    EnsureApiKeys: Some(named("apikeyRights", "canCreateNewApiKeys")), "create, edit or view API keys", initial_password "and one shot"
        => [named("apikeyRights", "canEditApiKeyProperties"), named("apikeyRights", "canViewApiKeys")];
    /// Revokes keys for good.
    DeleteApiKeys: Some(named("apikeyRights", "canDeleteApiKeys")), "delete API keys";

    /// Reads roles.
    ViewRoles: Some(named("administratorRoleRights", "canViewAdministratorRoles")), "view administrator roles", initial_password "and one shot";
    /// Makes roles.
    CreateRoles: Some(named("administratorRoleRights", "canCreateNewAdministratorRoles")), "create administrator roles";
    /// Changes roles.
    EditRoles: Some(named("administratorRoleRights", "canEditAdministratorRoleProperties")), "edit administrator roles";
    /// Removes roles.
    DeleteRoles: Some(named("administratorRoleRights", "canDeleteAdministratorRoles")), "delete administrator roles";

    /// Reads accounts.
    ViewAdministrators: Some(named("administratorRights", "canViewAdministrators")), "view administrators";
    /// Makes accounts.
    CreateAdministrators: Some(named("administratorRights", "canCreateNewAdministrators")), "create administrators";
    /// Changes accounts.
    EditAdministrators: Some(named("administratorRights", "canEditAdministratorProperties")), "edit administrators";
    /// Removes accounts.
    DeleteAdministrators: Some(named("administratorRights", "canDeleteAdministrators")), "delete administrators";

    /// Reads tenants.
    ViewTenants: Some(named("multiTenantRights", "canViewTenants")), "view tenants", primary_only;
    /// Makes tenants.
    CreateTenants: Some(named("multiTenantRights", "canCreateTenants")), "create tenants", primary_only;
    /// Changes tenants.
    EditTenants: Some(named("multiTenantRights", "canEditTenantGeneralProperties")), "edit tenants", primary_only;
    /// Removes tenants and all they hold.
    DeleteTenants: Some(named("multiTenantRights", "canDeleteTenants")), "delete tenants", primary_only;
    /// Mints keys of other tenants.
    ManageTenantApiKeys: Some(named("multiTenantRights", "canManageTenantAPIKeys")), "create API keys of tenants", primary_only;

    /// Reads contacts.
    ViewContacts: Some(named("contactRights", "canViewContacts")), "view contacts";
    /// Makes contacts.
    CreateContacts: Some(named("contactRights", "canCreateNewContacts")), "create contacts";
    /// Changes contacts.
    EditContacts: Some(named("contactRights", "canEditContactProperties")), "edit contacts";
    /// Removes contacts.
    DeleteContacts: Some(named("contactRights", "canDeleteContacts")), "delete contacts";

    /// Reads settings.
    ViewSettings: Some(named("settingRights", "canViewSettings")), "view system settings";
    /// Changes settings.
    EditSettings: Some(named("settingRights", "canEditSettings")), "edit system settings";

    /// Reads what was called and what was changed.
    ViewSystemInformation: Some(named("systemInformationRights", "canViewSystemInformation")), "view system information";
    /// Reads where the chain of all tenants' events ends.
    ViewAuditHead: Some(named("systemInformationRights", "canViewSystemInformation")), "view the head of the audit chain", primary_only;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_table_holds_the_173_rights_in_their_order() {
        assert_eq!(COUNT, 173);
        assert_eq!(format!("{:?}", Right(0)), "platformRights.administratorRights.canCreateNewAdministrators");
        assert_eq!(
            format!("{:?}", Right(172)),
            "awsmarketplaceRights.billingInformationRights.canViewAWSBillingInformation"
        );
        assert_eq!(Rights::all().iter().count(), 173);
        assert_eq!(Rights::auditor().iter().count(), 3);
    }

    #[test]
    fn a_right_is_found_by_its_dotted_name_or_one_near_it() {
        for right in Right::all() {
            assert_eq!(Right::find_dotted(&format!("{right:?}")), Some(right));
        }
        for text in
            ["", ".", "canViewApiKeys", "platformRights.apikeyRights.canViewApiKeys.", "platformRights.apikeyRights"]
        {
            assert_eq!(Right::find_dotted(text), None, "{text}");
        }
        for text in [
            "canViewAPIKeys",
            "platformRights.apiKeyRights.canViewApiKeys",
            "platformRights.apikeyRights.canViewApiKey",
        ] {
            assert_eq!(format!("{:?}", Right::near(text)[0]), "platformRights.apikeyRights.canViewApiKeys", "{text}");
        }
    }

    fn any_rights() -> impl Strategy<Value = Rights> {
        prop::collection::vec(any::<bool>(), COUNT)
            .prop_map(|bits| Right::all().zip(bits).filter(|(_, on)| *on).map(|(right, _)| right).collect())
    }

    proptest! {
        #[test]
        fn a_set_survives_the_database(rights in any_rights()) {
            prop_assert_eq!(Rights::from_bytes(&rights.to_bytes()), rights);
        }

        #[test]
        fn joined_and_common_are_of_either_and_of_both(a in any_rights(), b in any_rights()) {
            for right in Right::all() {
                prop_assert_eq!(a.joined(&b).contains(right), a.contains(right) || b.contains(right));
                prop_assert_eq!(a.common(&b).contains(right), a.contains(right) && b.contains(right));
            }
        }

        #[test]
        fn any_text_is_compared_with_the_rights(text in "\\PC{0,40}") {
            prop_assert_eq!(Right::near(&text).len(), 3);
            let _ = Right::find_dotted(&text);
        }

        #[test]
        fn subset_means_every_right_is_there(a in any_rights(), b in any_rights()) {
            prop_assert_eq!(a.is_subset_of(&b), a.iter().all(|right| b.contains(right)));
            prop_assert!(Rights::NONE.is_subset_of(&a) && a.is_subset_of(&a) && a.is_subset_of(&Rights::all()));
        }
    }
}
