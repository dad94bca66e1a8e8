-- Matomo's Actions.getSiteSearchNoResultKeywords. As in Matomo, these are keywords that found
-- nothing in any search of some day of the period.
{{ matomo_pages_by(
    label="coalesce(search_keyword, 'Keyword not defined')",
    page="coalesce(search_keyword, '')",
    types=['search'],
    exit='is_exit_title',
    columns={
        'nb_pages_per_search': matomo_pages_per_search(),
        'nb_no_result_hits': "count_if(fact = 'hit' and search_result_count = 0)"
    },
    of_day='max(search_result_count)',
    having="bool_or(fact = 'hit' and of_day = 0)"
) }}
