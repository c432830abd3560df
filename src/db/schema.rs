//! The tables as Diesel sees them. A test holds them equal to both databases' migrations.
#![allow(missing_docs, reason = "names are those of the columns")]

diesel::table! {
    installation (name) {
        name -> Text,
        value -> Binary,
    }
}

diesel::table! {
    tenants (id) {
        id -> BigInt,
        guid -> Text,
        name -> Text,
        name_fold -> Text,
        state -> Text,
        created -> BigInt,
        description -> Text,
        description_fold -> Text,
        time_zone -> Text,
        locale -> Text,
        database_server_id -> BigInt,
        demo_mode -> Bool,
        modules_visible -> Text,
        hide_unlicensed_modules -> Bool,
        last_signin_time -> Nullable<BigInt>,
        slug -> Nullable<Text>,
    }
}

diesel::table! {
    roles (id) {
        id -> BigInt,
        tenant_id -> Nullable<BigInt>,
        name -> Text,
        name_fold -> Text,
        description -> Text,
        description_fold -> Text,
        immutable -> Bool,
        equal_or_lesser_only -> Bool,
        all_computers -> Bool,
        all_policies -> Bool,
        allow_user_interface -> Bool,
        allow_web_service -> Bool,
        allow_manage_workload_link -> Bool,
        allow_migration -> Bool,
        rights -> Binary,
        computer_ids -> Text,
        computer_group_ids -> Text,
        policy_ids -> Text,
        role_version -> BigInt,
    }
}

diesel::table! {
    administrators (id) {
        id -> BigInt,
        tenant_id -> BigInt,
        username -> Text,
        username_fold -> Text,
        password_hash -> Text,
        initial_password_until -> Nullable<BigInt>,
        last_password_change -> BigInt,
        credential_version -> BigInt,
        role_id -> BigInt,
        locale -> Text,
        time_zone -> Text,
        active -> Bool,
        mfa_type -> Text,
        totp_seed -> Nullable<Binary>,
        totp_seed_pending -> Nullable<Binary>,
        last_totp_step -> BigInt,
        mfa_guesses -> BigInt,
        mfa_guesses_since -> BigInt,
        created -> BigInt,
        last_sign_in -> Nullable<BigInt>,
        unlock_time -> Nullable<BigInt>,
        unsuccessful_sign_in_attempts -> BigInt,
        full_name -> Text,
        full_name_fold -> Text,
        description -> Text,
        description_fold -> Text,
        time_format -> Text,
        password_never_expires -> Bool,
        phone_number -> Text,
        phone_number_fold -> Text,
        mobile_number -> Text,
        mobile_number_fold -> Text,
        pager_number -> Text,
        pager_number_fold -> Text,
        email_address -> Text,
        email_address_fold -> Text,
        primary_contact -> Bool,
        receive_notifications -> Bool,
        report_pdf_password_enabled -> Bool,
        directory_name -> Text,
        directory_name_fold -> Text,
        directory_info -> Text,
        external -> Bool,
        external_user_id -> Text,
        external_user_id_fold -> Text,
        account_type -> Text,
        read_only -> Bool,
    }
}

diesel::table! {
    sessions (id) {
        id -> BigInt,
        tenant_id -> BigInt,
        administrator_id -> BigInt,
        sid_digest -> Binary,
        rid_digest -> Binary,
        session_ref -> Text,
        kind -> Text,
        access_type -> Text,
        credential_version -> BigInt,
        initial_password -> Bool,
        created -> BigInt,
        last_activity -> BigInt,
        absolute_end -> BigInt,
        ended_at -> Nullable<BigInt>,
        end_reason -> Nullable<Text>,
        address -> Text,
        user_agent_digest -> Binary,
        state_version -> BigInt,
    }
}

diesel::table! {
    sign_in_attempts (bucket) {
        bucket -> BigInt,
        failures -> BigInt,
        allowed_at -> BigInt,
        last -> BigInt,
    }
}

diesel::table! {
    api_keys (id) {
        id -> BigInt,
        tenant_id -> BigInt,
        profile_id -> BigInt,
        kind -> Text,
        key_name -> Text,
        name_fold -> Text,
        description -> Text,
        locale -> Text,
        role_id -> BigInt,
        time_zone -> Text,
        active -> Bool,
        created -> BigInt,
        last_sign_in -> Nullable<BigInt>,
        unlock_time -> Nullable<BigInt>,
        unsuccessful_sign_in_attempts -> BigInt,
        expiry_date -> Nullable<BigInt>,
        service_account -> Bool,
        made_by_administrator_id -> Nullable<BigInt>,
        made_by_key_id -> Nullable<BigInt>,
        made_with_initial_password -> Bool,
        description_fold -> Text,
        target -> Nullable<Text>,
        not_before -> Nullable<BigInt>,
        networks -> Text,
        remaining_uses -> Nullable<BigInt>,
        calls_per_minute -> Nullable<BigInt>,
        windows -> Text,
    }
}

diesel::table! {
    api_key_secrets (id) {
        id -> BigInt,
        tenant_id -> BigInt,
        api_key_id -> BigInt,
        digest -> Binary,
        digest_version -> BigInt,
        created -> BigInt,
        ends -> Nullable<BigInt>,
        last_used -> Nullable<BigInt>,
        last_address -> Nullable<Text>,
        uses -> BigInt,
        replaced -> Nullable<BigInt>,
        silent_for -> Nullable<BigInt>,
        extend_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    api_key_profiles (id) {
        id -> BigInt,
        tenant_id -> Nullable<BigInt>,
        name -> Text,
        name_fold -> Text,
        description -> Text,
        description_fold -> Text,
        immutable -> Bool,
        rights_from -> Text,
        validity -> Nullable<BigInt>,
        min_validity -> Nullable<BigInt>,
        max_validity -> Nullable<BigInt>,
        max_keys -> Nullable<BigInt>,
        targets -> Text,
        api_types_required -> Bool,
        replace_secret_on_type_change -> Bool,
        refresh_revives -> Bool,
        max_overlap -> BigInt,
        warn_before -> Text,
        issuer_bound -> Bool,
        visibility -> Text,
        key_calls_per_minute -> Nullable<BigInt>,
        tenant_calls_per_minute -> Nullable<BigInt>,
        calls_window -> Text,
        error_dialect -> Text,
    }
}

diesel::table! {
    default_api_key_profiles (tenant_id) {
        tenant_id -> BigInt,
        profile_id -> BigInt,
    }
}

diesel::table! {
    api_types (id) {
        id -> BigInt,
        tenant_id -> Nullable<BigInt>,
        name -> Text,
        name_fold -> Text,
        title -> Text,
        title_fold -> Text,
        description -> Text,
        description_fold -> Text,
        needs_authorization -> Bool,
        rights -> Text,
    }
}

diesel::table! {
    api_key_api_types (api_key_id, api_type_id) {
        tenant_id -> BigInt,
        api_key_id -> BigInt,
        api_type_id -> BigInt,
        granted -> Nullable<BigInt>,
        granted_by_id -> Nullable<BigInt>,
        granted_by_name -> Nullable<Text>,
    }
}

diesel::table! {
    audit_events (id) {
        id -> BigInt,
        tenant_id -> BigInt,
        at -> BigInt,
        number -> BigInt,
        name -> Text,
        level -> Text,
        actor_type -> Text,
        actor_id -> Nullable<BigInt>,
        actor_name -> Text,
        address -> Text,
        request_id -> Text,
        target_type -> Text,
        target_id -> Nullable<BigInt>,
        target_name -> Text,
        details -> Text,
        actor_name_fold -> Text,
        target_name_fold -> Text,
    }
}

diesel::table! {
    audit_chain (position) {
        position -> BigInt,
        event_id -> BigInt,
        mac -> Binary,
    }
}

diesel::table! {
    audit_seals (id) {
        id -> BigInt,
        first_position -> BigInt,
        last_position -> BigInt,
        highest_event -> BigInt,
        newest -> BigInt,
        sealed_at -> BigInt,
        head -> Binary,
        key_id -> Text,
        epoch_first -> BigInt,
        mac -> Binary,
    }
}

diesel::table! {
    audit_cuts (position) {
        position -> BigInt,
        seal_id -> BigInt,
        head -> Binary,
        cut_at -> BigInt,
        removed -> BigInt,
        key_id -> Text,
        mac -> Binary,
    }
}

diesel::table! {
    leases (name) {
        name -> Text,
        holder -> Text,
        until -> BigInt,
    }
}

diesel::table! {
    contacts (id) {
        id -> BigInt,
        tenant_id -> BigInt,
        name -> Text,
        name_fold -> Text,
        description -> Text,
        description_fold -> Text,
        phone_number -> Text,
        phone_number_fold -> Text,
        mobile_number -> Text,
        mobile_number_fold -> Text,
        pager_number -> Text,
        pager_number_fold -> Text,
        email_address -> Text,
        email_address_fold -> Text,
        locale -> Text,
        role_id -> Nullable<BigInt>,
        report_pdf_password_enabled -> Bool,
    }
}

diesel::table! {
    system_settings (tenant_id, name) {
        tenant_id -> BigInt,
        name -> Text,
        value -> Text,
    }
}

diesel::table! {
    api_usage (id) {
        id -> BigInt,
        tenant_id -> Nullable<BigInt>,
        tenant_guid -> Text,
        at -> BigInt,
        action -> Text,
        path -> Text,
        duration -> BigInt,
        status_code -> BigInt,
        authentication_method -> Text,
        expand_parameter -> Text,
        response_item_count -> Nullable<BigInt>,
        actor_type -> Text,
        actor_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    webhooks (id) {
        id -> BigInt,
        tenant_id -> BigInt,
        name -> Text,
        name_fold -> Text,
        description -> Text,
        description_fold -> Text,
        url -> Text,
        events -> Text,
        active -> Bool,
        secret -> Binary,
        created -> BigInt,
        last_delivered -> Nullable<BigInt>,
        last_failure -> Nullable<BigInt>,
        last_failure_message -> Nullable<Text>,
    }
}

diesel::table! {
    revoked_api_keys (id) {
        id -> BigInt,
        tenant_id -> BigInt,
        profile_id -> BigInt,
        kind -> Text,
        key_name -> Text,
        name_fold -> Text,
        description -> Text,
        description_fold -> Text,
        role_id -> BigInt,
        role_name -> Text,
        role_name_fold -> Text,
        issuer_type -> Text,
        issuer_id -> Nullable<BigInt>,
        issuer_name -> Text,
        issuer_name_fold -> Text,
        service_account -> Bool,
        created -> BigInt,
        last_sign_in -> Nullable<BigInt>,
        expiry_date -> Nullable<BigInt>,
        revoked_at -> BigInt,
        revoked_by_type -> Text,
        revoked_by_id -> Nullable<BigInt>,
        revoked_by_name -> Text,
        revoked_by_name_fold -> Text,
        reason -> Text,
        note -> Text,
        note_fold -> Text,
        last_presented -> Nullable<BigInt>,
        last_presented_from -> Nullable<Text>,
    }
}

diesel::table! {
    notices (id) {
        id -> BigInt,
        tenant_id -> BigInt,
        dedupe -> Text,
        destination -> Text,
        webhook_id -> Nullable<BigInt>,
        recipient -> Text,
        kind -> Text,
        payload -> Text,
        created -> BigInt,
        attempts -> BigInt,
        next_at -> BigInt,
        state -> Text,
        last_error -> Text,
        done_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    notice_marks (name) {
        name -> Text,
        at -> BigInt,
    }
}

diesel::table! {
    calendars (id) {
        id -> BigInt,
        tenant_id -> BigInt,
        administrator_id -> Nullable<BigInt>,
        api_key_id -> Nullable<BigInt>,
        digest -> Binary,
        created -> BigInt,
    }
}

diesel::table! {
    revoked_api_key_secrets (api_key_id, digest) {
        api_key_id -> BigInt,
        digest -> Binary,
        digest_version -> BigInt,
        tenant_id -> BigInt,
    }
}

diesel::table! {
    jobs (id) {
        id -> BigInt,
        tenant_id -> BigInt,
        kind -> Text,
        parameters -> Text,
        state -> Text,
        total -> BigInt,
        done -> BigInt,
        failed -> BigInt,
        errors -> Text,
        next_chunk -> BigInt,
        starter_type -> Text,
        starter_id -> BigInt,
        starter_name -> Text,
        starter_proof -> Text,
        address -> Text,
        request_id -> Text,
        created -> BigInt,
        started -> Nullable<BigInt>,
        ended -> Nullable<BigInt>,
        claimed_by -> Text,
        claimed_until -> BigInt,
    }
}

diesel::table! {
    job_chunks (job_id, number) {
        job_id -> BigInt,
        number -> BigInt,
        items -> Binary,
        tenant_id -> BigInt,
        marks -> Nullable<Binary>,
    }
}

diesel::table! {
    spent_confirmations (proof) {
        proof -> Text,
        tenant_id -> BigInt,
        until -> BigInt,
        job_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    claims (id) {
        id -> BigInt,
        tenant_id -> BigInt,
        code_digest -> Binary,
        key_name -> Text,
        role_id -> Nullable<BigInt>,
        wish -> Text,
        key_valid_for -> Nullable<BigInt>,
        networks -> Text,
        created -> BigInt,
        expires -> BigInt,
        made_by_administrator_id -> Nullable<BigInt>,
        made_by_key_id -> Nullable<BigInt>,
        made_by_name -> Text,
        redeemed -> Nullable<BigInt>,
        redeemed_address -> Nullable<Text>,
        api_key_id -> Nullable<BigInt>,
        reused -> Nullable<BigInt>,
    }
}

diesel::joinable!(claims -> tenants (tenant_id));
diesel::joinable!(administrators -> roles (role_id));
diesel::joinable!(administrators -> tenants (tenant_id));
diesel::joinable!(sessions -> administrators (administrator_id));
diesel::joinable!(api_keys -> roles (role_id));
diesel::joinable!(api_keys -> tenants (tenant_id));
diesel::joinable!(api_key_secrets -> api_keys (api_key_id));
diesel::joinable!(revoked_api_keys -> tenants (tenant_id));
diesel::joinable!(revoked_api_key_secrets -> revoked_api_keys (api_key_id));
diesel::joinable!(api_keys -> api_key_profiles (profile_id));
diesel::joinable!(api_key_api_types -> api_keys (api_key_id));
diesel::joinable!(api_key_api_types -> api_types (api_type_id));
diesel::joinable!(default_api_key_profiles -> api_key_profiles (profile_id));

diesel::allow_tables_to_appear_in_same_query!(
    administrators,
    api_key_secrets,
    api_keys,
    api_usage,
    audit_chain,
    audit_cuts,
    audit_events,
    audit_seals,
    api_key_api_types,
    api_key_profiles,
    api_types,
    claims,
    contacts,
    default_api_key_profiles,
    installation,
    job_chunks,
    jobs,
    leases,
    notice_marks,
    notices,
    revoked_api_key_secrets,
    revoked_api_keys,
    roles,
    sessions,
    sign_in_attempts,
    spent_confirmations,
    system_settings,
    tenants,
    webhooks,
);
