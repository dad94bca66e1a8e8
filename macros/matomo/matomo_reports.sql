{#-
    Matomo's reports. Each is declared once, by its view: a dimension and, where Matomo has one, the code
    behind its label. The macros know the metrics of each kind of report; they are computed from detail
    for each site and day, week, month and year, so what does not add up (visitors) is never summed.
-#}
{% macro matomo_visit_metrics(suffix='', where='true') -%}
    {#- Metrics of visits, as Matomo defines them. suffix: of their names; where: a predicate. -#}
    {%- set of = ' filter (where ' ~ where ~ ')' if where != 'true' else '' -%}
    count(visit_key){{ of }} as nb_visits{{ suffix }},
    count(distinct visitor_key){{ of }} as nb_uniq_visitors{{ suffix }},
    count(distinct user_id){{ of }} as nb_users{{ suffix }},
    coalesce(sum(action_count){{ of }}, 0) as nb_actions{{ suffix }},
    coalesce(max(action_count){{ of }}, 0) as max_actions{{ suffix }},
    coalesce(sum(visit_duration_seconds){{ of }}, 0) as sum_visit_length{{ suffix }},
    count_if(action_count in (0, 1)){{ of }} as bounce_count{{ suffix }},
    count_if(is_converted){{ of }} as nb_visits_converted{{ suffix }}
{%- endmacro %}


{% macro matomo_visit_rates(suffix='') -%}
    {#- Metrics that Matomo computes from those of visits. suffix: of their names. -#}
    {{ matomo_ratio('bounce_count' ~ suffix, 'nb_visits' ~ suffix, 2) }} as bounce_rate{{ suffix }},
    {{ matomo_ratio('nb_actions' ~ suffix, 'nb_visits' ~ suffix, 1) }}
        as nb_actions_per_visit{{ suffix }},
    cast({{ matomo_ratio('sum_visit_length' ~ suffix, 'nb_visits' ~ suffix, 0) }} as bigint)
        as avg_time_on_site{{ suffix }}
{%- endmacro %}


{% macro matomo_ratio(part, whole, decimals) -%}
    {#- part / whole rounded to decimals, 0 where there is no whole. -#}
    coalesce(round(cast({{ part }} as double) / nullif({{ whole }}, 0), {{ decimals }}), 0)
{%- endmacro %}


{% macro matomo_visits_by(label, code=none, visits='true', labels=none, conversion_label=none) -%}
    {#-
        A report about visits: a row per site, period and label, with the metrics of visits and what
        they converted. A visit belongs to the site's day of its last action, a conversion to its own.
        label: an SQL expression over columns that lake.matomo_visits and lake.matomo_conversions share;
        code: one for the code behind the label; visits: a predicate on both, which visits are in it;
        labels: SQL literals of labels that the report always has, with zeros where nothing happened;
        conversion_label: the label of a conversion, where it is not that of its visit.
    -#}
    {%- set code = code or 'cast(null as string)' -%}
    with facts as (
        select
            site_id,
            visit_date as day,
            {{ label }} as label,
            {{ code }} as code,
            visit_key,
            visitor_key,
            user_id,
            action_count,
            visit_duration_seconds,
            is_converted,
            last_action_at as seen_at,
            cast(null as string) as conversion_key,
            cast(null as decimal(18, 4)) as revenue
        from {{ ref('matomo_visits') }}
        where {{ visits }}
        union all
        select
            site_id,
            conversion_date as day,
            {{ conversion_label or label }} as label,
            {{ code }} as code,
            cast(null as string) as visit_key,
            cast(null as string) as visitor_key,
            cast(null as string) as user_id,
            cast(null as int) as action_count,
            cast(null as bigint) as visit_duration_seconds,
            cast(null as boolean) as is_converted,
            occurred_at as seen_at,
            conversion_key,
            revenue
        from {{ ref('matomo_conversions') }}
        where conversion_type != 'abandoned_cart' and {{ visits }}
        {%- if labels %}
        union all
        select distinct
            site_id,
            visit_date as day,
            always.label,
            cast(null as string) as code,
            cast(null as string) as visit_key,
            cast(null as string) as visitor_key,
            cast(null as string) as user_id,
            cast(null as int) as action_count,
            cast(null as bigint) as visit_duration_seconds,
            cast(null as boolean) as is_converted,
            cast(null as timestamp) as seen_at,
            cast(null as string) as conversion_key,
            cast(null as decimal(18, 4)) as revenue
        from {{ ref('matomo_visits') }}
        cross join values {% for each in labels %}({{ each }}){{ ', ' if not loop.last }}{% endfor %}
            as always (label)
        {%- endif %}
    ),

    sums as (
        select
            site_id,
            periods.period,
            periods.period_start,
            {%- if code == 'cast(null as string)' %}
            label,
            {%- else %}
            -- Labels may be in several languages; a code is one thing.
            coalesce(max_by(label, if(label is null, null, seen_at)), max(label), code) as label,
            code,
            {%- endif %}
            {{ matomo_visit_metrics() }},
            count(conversion_key) as nb_conversions,
            {{ matomo_summed_money('revenue') }} as revenue
        from facts
            {{ each_period('day') }}
        group by
            site_id, periods.period, periods.period_start,
            {{ 'label' if code == 'cast(null as string)' else 'code' }}
    )

    select
        site_id,
        period,
        period_start,
        label,
        {%- if code != 'cast(null as string)' %}
        code,
        {%- endif %}
        nb_visits,
        nb_uniq_visitors,
        nb_users,
        nb_actions,
        max_actions,
        sum_visit_length,
        bounce_count,
        nb_visits_converted,
        nb_conversions,
        revenue,
        {{ matomo_visit_rates() }},
        {{ matomo_ratio('nb_visits_converted', 'nb_visits', 4) }} as conversion_rate,
        {{ matomo_ratio(
            'nb_visits', 'sum(nb_visits) over (partition by site_id, period, period_start)', 4
        ) }} as nb_visits_percentage
    from sums
{%- endmacro %}


{% macro matomo_visits_in_ranges(ranges) -%}
    {#- A report of how many visits are in each range, zeros too; a visit may be in two.
        ranges: a list of label and predicate over lake.matomo_visits. -#}
    with days as (
        select
            site_id,
            visit_date as day,
            array(
                {%- for label, is_in in ranges %}
                named_struct('label', '{{ label }}', 'nb_visits', count_if({{ is_in }}))
                {{- ',' if not loop.last }}
                {%- endfor %}
            ) as ranges
        from {{ ref('matomo_visits') }}
        group by site_id, visit_date
    ),

    sums as (
        select
            site_id,
            periods.period,
            periods.period_start,
            label,
            sum(nb_visits) as nb_visits
        from days
            lateral view inline(ranges) exploded_ranges as label, nb_visits
            {{ each_period('day') }}
        group by site_id, periods.period, periods.period_start, label
    )

    select
        *,
        {{ matomo_ratio(
            'nb_visits', 'sum(nb_visits) over (partition by site_id, period, period_start)', 4
        ) }} as nb_visits_percentage
    from sums
{%- endmacro %}


{% macro matomo_hours() -%}
    {#- SQL literals of the hours of a day, as Matomo labels them. -#}
    {%- set hours = [] -%}
    {%- for hour in range(24) -%}
        {%- do hours.append("'" ~ '%02d' % hour ~ "'") -%}
    {%- endfor -%}
    {%- do return(hours) -%}
{%- endmacro %}


{% macro matomo_ranges(value, bounds, unit, before=[]) -%}
    {#- Ranges of whole numbers with Matomo's labels, such as `8-14 days`; the last has no end.
        value: an SQL expression; bounds: first numbers of the ranges; unit: the name of one; before:
        ranges before them. -#}
    {%- set ranges = [] + before -%}
    {%- for first in bounds -%}
        {%- set several = unit ~ 's' -%}
        {%- if loop.last -%}
            {%- do ranges.append([first ~ '+ ' ~ several, value ~ ' >= ' ~ first]) -%}
        {%- else -%}
            {%- set last = bounds[loop.index] - 1 -%}
            {%- if last == first -%}
                {%- set name = first ~ ' ' ~ (unit if first == 1 else several) -%}
            {%- else -%}
                {%- set name = first ~ '-' ~ last ~ ' ' ~ several -%}
            {%- endif -%}
            {%- do ranges.append([name, value ~ ' between ' ~ first ~ ' and ' ~ last]) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do return(ranges) -%}
{%- endmacro %}


{% macro matomo_page(url) -%}
    {#- What Matomo takes for one page: its address without protocol and www. url: an SQL expression. -#}
    regexp_replace({{ url }}, '^[a-zA-Z][a-zA-Z0-9+.-]*://(www[.])?', '')
{%- endmacro %}


{% macro matomo_page_label(url) -%}
    {#- Matomo's label of a page: its path and query from the first slash, a folder by its `index`, no
        slash twice. url: an SQL expression, text. -#}
    {%- set path -%}
        regexp_replace(
            regexp_replace({{ matomo_page(url) }}, '^[^/]*/?', ''), '^((?:[^#]*/)?)(#.*)?$', '$1index$2'
        )
    {%- endset -%}
    coalesce(
        regexp_replace('/' || {{ path }}, '/+', '/'), 'Page URL not defined'
    )
{%- endmacro %}


{% macro matomo_link_label(url) -%}
    {#- Matomo's label of a download or outlink: host and path. url: an SQL expression, text. -#}
    coalesce(
        regexp_replace(
            regexp_replace({{ url }}, '^[a-zA-Z][a-zA-Z0-9+.-]*://', ''), '^([^/?#]*)$', '$1/'
        ),
        'Page URL not defined'
    )
{%- endmacro %}


{% macro matomo_decoded(text) -%}
    {#- A label as Matomo shows it: percent codes (and +) decoded, a percent sign that is none as it is.
        text: an SQL expression. -#}
    if(
        {{ text }} rlike '[%+]',
        coalesce(
            try_url_decode(regexp_replace({{ text }}, '%(?![0-9A-Fa-f]{2})', '%25')), {{ text }}
        ),
        {{ text }}
    )
{%- endmacro %}


{% macro matomo_pages_by(
    label, page, types, entry=none, exit=none, only='true', columns={}, of_day=none, having='true'
) -%}
    {#-
        A report about what was viewed, followed or searched: hits and visits by label and, for pages,
        how visits entered and left by it. Hits belong to the site's day of the action, entries and exits
        to the day of the visit.
        label: an SQL expression over lake.matomo_actions, decoded here; page: what a visit is counted
        once for; types: action types; entry, exit: boolean columns that mark a visit's first and last;
        only: a predicate on the rows of the report; columns: more metrics, name: aggregate; of_day: an
        aggregate over a label's actions of a day, which `having`, a predicate on aggregates, finds as
        `of_day`.
    -#}
    with {{ 'labelled' if of_day else 'actions' }} as (
        select
            *,
            {{ label }} as raw_label,
            {{ matomo_decoded('raw_label') }} as label,
            {{ page }} as page
        from {{ ref('matomo_actions') }}
        where action_type in ('{{ types | join("', '") }}')
    ),
    {%- if of_day %}

    actions as (
        select *, {{ of_day }} over (partition by site_id, action_date, label) as of_day from labelled
    ),
    {%- endif %}

    facts as (
        select actions.*, action_date as day, 'hit' as fact from actions
        {%- if entry %}
        union all
        select actions.*, visit_date as day, 'entry' as fact from actions where {{ entry }}
        {%- endif %}
        {%- if exit %}
        union all
        select actions.*, visit_date as day, 'exit' as fact from actions where {{ exit }}
        {%- endif %}
    ),

    sums as (
        select
            site_id,
            periods.period,
            periods.period_start,
            label,
            {%- if 'page' in types or 'download' in types %}
            min(url) as url,
            {%- endif %}
            count_if(fact = 'hit') as nb_hits,
            count(distinct if(fact = 'hit', struct(visit_key, page), null)) as nb_visits,
            count(distinct if(fact = 'hit' and visitor_key is not null, struct(visitor_key, page), null))
                as nb_uniq_visitors,
            coalesce(
                sum({{ matomo_whole('time_spent_seconds') }}) filter (where fact = 'hit'), 0
            ) as sum_time_spent,
            {%- if entry %}
            count_if(fact = 'entry') as entry_nb_visits,
            count(distinct if(fact = 'entry' and visitor_key is not null, struct(visitor_key, page), null))
                as entry_nb_uniq_visitors,
            coalesce(sum(visit_action_count) filter (where fact = 'entry'), 0) as entry_nb_actions,
            coalesce(sum(visit_duration_seconds) filter (where fact = 'entry'), 0)
                as entry_sum_visit_length,
            count_if(fact = 'entry' and visit_action_count in (0, 1)) as entry_bounce_count,
            {%- endif %}
            {%- if exit %}
            count_if(fact = 'exit') as exit_nb_visits,
            count(distinct if(fact = 'exit' and visitor_key is not null, struct(visitor_key, page), null))
                as exit_nb_uniq_visitors,
            {%- endif %}
            {%- for name, aggregate in columns.items() %}
            {{ aggregate }} as {{ name }},
            {%- endfor %}
            true as is_row
        from facts
            {{ each_period('day') }}
        group by site_id, periods.period, periods.period_start, label
        having {{ having }}
    )

    select
        sums.* except (is_row),
        {%- if entry %}
        {{ matomo_ratio('entry_bounce_count', 'entry_nb_visits', 2) }} as bounce_rate,
        {%- endif %}
        {%- if exit %}
        {{ matomo_ratio('exit_nb_visits', 'nb_visits', 2) }} as exit_rate,
        {%- endif %}
        cast({{ matomo_ratio('sum_time_spent', 'nb_hits', 0) }} as bigint) as avg_time_on_page
    from sums
    where {{ only }}
{%- endmacro %}


{% macro matomo_pages_per_search() -%}
    {#- Searches by visit that searched, for `columns` of matomo_pages_by. -#}
    round(
        count_if(fact = 'hit') / nullif(count(distinct if(fact = 'hit', visit_key, null)), 0), 1
    )
{%- endmacro %}


{% macro matomo_events_by(label) -%}
    {#- A report about events. As in Matomo a visit (or visitor) counts once for each combination of
        category, action and name. label: a column of lake.matomo_actions. -#}
    {%- set event = 'event_category, event_action, event_name' -%}
    with sums as (
        select
            site_id,
            periods.period,
            periods.period_start,
            label,
            count(*) as nb_events,
            count(distinct struct(visit_key, {{ event }})) as nb_visits,
            count(distinct if(visitor_key is null, null, struct(visitor_key, {{ event }})))
                as nb_uniq_visitors,
            count_if(event_value is not null) as nb_events_with_value,
            round(coalesce(sum(event_value), 0), 2) as sum_event_value,
            round(min(event_value), 2) as min_event_value,
            round(max(event_value), 2) as max_event_value
        from (
            select
                *,
                coalesce(
                    {{ matomo_decoded(label) }}, 'Event {{ label.split("_")[1] | capitalize }} not defined'
                ) as label
            from {{ ref('matomo_actions') }}
            where action_type = 'event'
        )
            {{ each_period('action_date') }}
        group by site_id, periods.period, periods.period_start, label
    )

    select
        *,
        {{ matomo_ratio('sum_event_value', 'nb_events_with_value', 2) }} as avg_event_value
    from sums
{%- endmacro %}


{% macro matomo_contents_by(label) -%}
    {#- A report about contents. As in Matomo a visit (or visitor) counts once for each combination of
        piece, target and name that it was shown, and what was not shown on a day is in no row of it.
        label: a column of lake.matomo_actions. -#}
    {%- set shown = 'content_piece, content_target, content_name' -%}
    with contents as (
        select
            *,
            coalesce(
                {{ matomo_decoded(label) }}, 'Content {{ label.split("_")[1] | capitalize }} not defined'
            ) as label,
            content_interaction is null as is_impression
        from {{ ref('matomo_actions') }}
        where action_type = 'content'
        qualify bool_or(is_impression) over (partition by site_id, action_date, label)
    ),

    sums as (
        select
            site_id,
            periods.period,
            periods.period_start,
            label,
            count(distinct if(is_impression, struct(visit_key, {{ shown }}), null)) as nb_visits,
            count(distinct if(
                is_impression and visitor_key is not null, struct(visitor_key, {{ shown }}), null
            )) as nb_uniq_visitors,
            count_if(is_impression) as nb_impressions,
            count_if(not is_impression) as nb_interactions
        from contents
            {{ each_period('action_date') }}
        group by site_id, periods.period, periods.period_start, label
    )

    select
        *,
        {{ matomo_ratio('nb_interactions', 'nb_impressions', 4) }} as interaction_rate
    from sums
{%- endmacro %}


{% macro matomo_goals_metrics(conversion='true', ecommerce=none, by_goal=false) -%}
    {#-
        A report about conversions by site and period, or by goal with `by_goal`: of all visits, of new
        ones and of returning ones, as Matomo's Goals.get has them. A period with visits has a row (one
        for each goal of the catalogue), with zeros where nothing was converted.
        conversion: a predicate on lake.matomo_conversions; ecommerce: none, order or cart.
    -#}
    {%- set kinds = {
        '': 'true',
        '_new_visit': "visitor_type = 'new'",
        '_returning_visit': "visitor_type != 'new'"
    } -%}
    {%- set sums = {'order': ['subtotal', 'tax', 'shipping', 'discount'], 'cart': []}.get(ecommerce, []) -%}
    with visits as (
        select
            site_id,
            periods.period,
            periods.period_start
            {%- for suffix, kind in kinds.items() %},
            count_if({{ kind }}) as nb_visits{{ suffix }}
            {%- if not ecommerce and not by_goal %},
            count_if(is_converted and {{ kind }}) as nb_visits_converted{{ suffix }}
            {%- endif %}
            {%- endfor %}
        from {{ ref('matomo_visits') }}
            {{ each_period('visit_date') }}
        group by site_id, periods.period, periods.period_start
    ),
    {%- if by_goal %}

    expected as (
        select visits.site_id, visits.period, visits.period_start, goals.goal_id
        from visits
        inner join {{ ref('matomo_goals') }} as goals
            on visits.site_id = goals.site_id and goals.is_current
    ),
    {%- endif %}

    conversions as (
        select
            site_id,
            periods.period,
            periods.period_start
            {%- if by_goal %},
            goal_id
            {%- endif %}
            {%- for suffix, kind in kinds.items() %},
            count_if({{ kind }}) as nb_conversions{{ suffix }},
            {%- if ecommerce or by_goal %}
            count(distinct if({{ kind }}, visit_key, null)) as nb_visits_converted{{ suffix }},
            {%- endif %}
            {%- if ecommerce %}
            coalesce(sum(item_count) filter (where {{ kind }}), 0) as items{{ suffix }},
            {%- endif %}
            {%- for part in sums %}
            {{ matomo_summed_money('if(' ~ kind ~ ', revenue_' ~ part ~ ', null)') }}
                as revenue_{{ part }}{{ suffix }},
            {%- endfor %}
            {{ matomo_summed_money('if(' ~ kind ~ ', revenue, null)') }}
                as revenue{{ suffix }}
            {%- endfor %}
        from {{ ref('matomo_conversions') }}
            {{ each_period('conversion_date') }}
        where {{ conversion }}
        group by site_id, periods.period, periods.period_start {{- ', goal_id' if by_goal }}
    )

    select
        site_id,
        period,
        period_start,
        {%- if by_goal %}
        coalesce(goals.name, 'Goal ' || goal_id, 'Goal not defined') as label,
        cast(goal_id as string) as code,
        {%- endif %}
        {%- for suffix in kinds %}
        coalesce(nb_conversions{{ suffix }}, 0) as nb_conversions{{ suffix }},
        coalesce(nb_visits_converted{{ suffix }}, 0) as nb_visits_converted{{ suffix }},
        coalesce(conversions.revenue{{ suffix }}, 0) as revenue{{ suffix }},
        {%- for part in sums %}
        coalesce(revenue_{{ part }}{{ suffix }}, 0) as revenue_{{ part }}{{ suffix }},
        {%- endfor %}
        {%- if ecommerce %}
        coalesce(items{{ suffix }}, 0) as items{{ suffix }},
        {{ matomo_ratio('conversions.revenue' ~ suffix, 'nb_conversions' ~ suffix, 2) }}
            as avg_order_revenue{{ suffix }},
        {%- endif %}
        {{ matomo_ratio('nb_visits_converted' ~ suffix, 'nb_visits' ~ suffix, 4) }}
            as conversion_rate{{ suffix }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    {%- if by_goal %}
    from expected
    full outer join conversions using (site_id, period, period_start, goal_id)
    left join visits using (site_id, period, period_start)
    left join {{ ref('matomo_goals') }} as goals using (site_id, goal_id)
    {%- else %}
    from visits
    full outer join conversions using (site_id, period, period_start)
    {%- endif %}
{%- endmacro %}


{% macro matomo_items_by(label, purchase, undefined, many=false) -%}
    {#-
        A report about products: what was bought (or left in carts), and views of their pages. As in
        Matomo a product of several categories counts in each, an order or a visit's cart with a product
        on several lines counts once, and its price there is the sum of the lines'.
        label: sku, name or categories (with `many`); purchase: order or abandoned_cart; undefined: label
        of products without one.
    -#}
    {%- set orders = 'orders' if purchase == 'order' else 'abandoned_carts' -%}
    {%- set viewed = 'product_' ~ label -%}
    with bought as (
        select
            site_id,
            purchase_date as day,
            {%- if many %}
            coalesce({{ matomo_decoded('label') }}, '{{ undefined }}') as label,
            coalesce(place, 0) as place,
            {%- else %}
            coalesce({{ matomo_decoded(label) }}, '{{ undefined }}') as label,
            0 as place,
            {%- endif %}
            {{ 'purchase_key' if purchase == 'order' else 'visit_key' }} as purchase,
            price,
            quantity
        from {{ ref('matomo_items') }}
            {%- if many %}
            lateral view outer posexplode(categories) exploded as place, label
            {%- endif %}
        where purchase_type = '{{ purchase }}'
    ),

    views as (
        select
            site_id,
            action_date as day,
            {%- if many %}
            coalesce({{ matomo_decoded('label') }}, '{{ undefined }}') as label,
            coalesce(place, 0) as place,
            {%- else %}
            {{ matomo_decoded(viewed) }} as label,
            0 as place,
            {%- endif %}
            visit_key,
            visitor_key,
            product_price
        from {{ ref('matomo_actions') }}
            {%- if many %}
            lateral view outer posexplode(product_categories) exploded as place, label
        where
            action_type = 'page'
            and (label is not null or product_sku is not null or product_name is not null)
            {%- else %}
        where action_type = 'page' and {{ viewed }} is not null
            {%- endif %}
    ),

    facts as (
        select bought.*, cast(null as string) as visit_key, cast(null as string) as visitor_key,
            cast(null as decimal(18, 4)) as product_price, true as is_purchase
        from bought
        union all
        select site_id, day, label, place, cast(null as string) as purchase,
            cast(null as decimal(18, 4)) as price, cast(null as int) as quantity,
            visit_key, visitor_key, product_price, false as is_purchase
        from views
    ),

    sums as (
        select
            site_id,
            periods.period,
            periods.period_start,
            label,
            coalesce(round(sum(price * quantity), 2), 0) as revenue,
            coalesce(sum(quantity), 0) as quantity,
            count(distinct if(is_purchase, struct(place, purchase), null)) as {{ orders }},
            count(distinct if(is_purchase, null, struct(place, visit_key))) as nb_visits,
            count(distinct if(visitor_key is null, null, struct(place, visitor_key))) as nb_uniq_visitors,
            count_if(not is_purchase) as nb_actions,
            round(coalesce(try_divide(sum(price), {{ orders }}), avg(product_price), 0), 2) as avg_price
        from facts
            {{ each_period('day') }}
        group by site_id, periods.period, periods.period_start, label
    )

    select
        site_id,
        period,
        period_start,
        label,
        try_cast(revenue as decimal(18, 2)) as revenue,
        quantity,
        {{ orders }},
        nb_visits,
        nb_uniq_visitors,
        nb_actions,
        try_cast(avg_price as decimal(18, 2)) as avg_price,
        {{ matomo_ratio('quantity', orders, 1) }} as avg_quantity,
        {{ matomo_ratio(orders, 'nb_visits', 4) }} as conversion_rate
    from sums
{%- endmacro %}


{% macro matomo_report_differences(reports) -%}
    {#- Rows where a report of Matomo's own, the newest that was sent, differs from a view.
        Only reports that are comparable: of a period that the views have, of all visits.
        reports: a list of method, view, metrics, and whether it is of one goal each. -#}
    with told as (
        select *
        from {{ ref('matomo_reports') }}
        where not_comparable is null
    )

    select
        site_id,
        period,
        period_start,
        report,
        goal,
        metric,
        matomo,
        lacustre,
        lacustre - matomo as difference,
        exported_at
    from (
        {%- for method, view, metrics, of_goal in reports %}
        select
            told.site_id,
            told.period,
            told.period_start,
            told.goal,
            told.exported_at,
            '{{ view }}' as report,
            stack(
                {{ metrics | length }}
                {%- for metric in metrics %},
                '{{ metric }}',
                try_cast(told.metrics['{{ metric }}'] as double),
                coalesce(cast(ours.{{ metric }} as double), 0)
                {%- endfor %}
            ) as (metric, matomo, lacustre)
        from told
        left join {{ ref(view) }} as ours
            on
                told.site_id = ours.site_id
                and told.period = ours.period
                and told.period_start = ours.period_start
                {{- ' and told.goal = ours.code' if of_goal }}
        where told.method = '{{ method }}' and told.goal is {{ 'not null' if of_goal else 'null' }}
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as compared
    where abs(matomo - lacustre) > 0.005
{%- endmacro %}
