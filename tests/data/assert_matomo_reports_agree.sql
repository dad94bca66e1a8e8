-- A period that was over when Matomo reported it has Matomo's own numbers: no visit is missing,
-- none is counted twice. A day more, since Matomo's archives are up to hours late.
select differences.*
from {{ ref('matomo_report_differences') }} as differences
left join {{ ref('matomo_reports') }} as reports
    on
        differences.site_id = reports.site_id
        and differences.period = reports.period
        and differences.period_start = reports.period_start
        and reports.method like
        split_part(replace(differences.report, 'matomo_', ''), '_', 1) || '%'
where
    reports.exported_at
    > case differences.period
        when 'day' then date_add(differences.period_start, 2)
        when 'week' then date_add(differences.period_start, 8)
        when 'month' then date_add(add_months(differences.period_start, 1), 1)
        else date_add(add_months(differences.period_start, 12), 1)
    end
